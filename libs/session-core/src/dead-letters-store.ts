import { InvalidInputError } from './errors.js';
import { INBOX_STREAMS, inboxKeys, type TenantRef } from './keys.js';
import { outboxOf } from './outbox-streams.js';
import type { StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

/** An event that was given up, as `libs/event-streams` writes it. */
export interface DeadLetter {
  /** Its own id, by which it is replayed or discarded. */
  id: string;
  /** When it was given up, milliseconds of the Redis clock. */
  atMs: number;
  reason: string;
  deliveries: number;
  /** Where it came from. */
  stream: string;
  streamId: string;
  /** As its server published it. */
  fields: Record<string, string>;
}

export interface DeadLetterPage {
  deadLetters: DeadLetter[];
  /** Goes on after the last one; null if there are no more. */
  nextCursor: string | null;
  /** How many the tenant has. */
  total: number;
}

const INBOX = new Set(Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number)));
const ID = /^\d{1,16}-\d{1,16}$/;
const TIME = /^\d{1,16}$/;
/** Entries that are read at once: events have up to 64 KiB. */
const READ = 100;
/** What the transport wrote beside the fields of the event. */
const NOTE = 'dead.';

/** Whose dead letter an event is: that of its tenant; of the tenant `default` where it names none, or none that is known. */
export function deadLetterTenant(
  fields: Readonly<Record<string, string>>,
  isTenant: (name: string) => boolean,
): string {
  const named = fields['tenant'];
  return named !== undefined && isTenant(named) ? named : 'default';
}

/** Events that could not be applied, by tenant. Each command has a deadline of its own. */
export class DeadLettersStore {
  private readonly outboxes: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(
    private readonly client: StoreClient,
    private readonly deadlineMs: number,
    tenants: readonly TenantRef[],
  ) {
    this.outboxes = new Map(
      tenants.map((tenant) => [tenant.name, new Set(outboxOf(tenant).map(({ stream }) => stream))]),
    );
  }

  /** The oldest first, at most `limit`. Throws InvalidInputError for a cursor that is none. */
  async page(tenant: string, cursor: string | null, limit: number): Promise<DeadLetterPage> {
    if (cursor !== null && !ID.test(cursor))
      throw new InvalidInputError('cursor', 'must be the nextCursor of an answer');
    const stream = inboxKeys.deadLetters(tenant);
    const total = await this.call(async () => await this.client.xlen(stream));
    const deadLetters: DeadLetter[] = [];
    for (let after = cursor; ;) {
      const from = after === null ? '-' : `(${after}`;
      const entries = await this.call(async () => await this.client.xrange(stream, from, '+', 'COUNT', READ));
      for (const [id, flat] of entries) {
        const letter = readLetter(id, flat);
        if (this.tenantOf(letter) !== tenant) continue;
        if (deadLetters.length === limit) return { deadLetters, nextCursor: deadLetters.at(-1)?.id ?? null, total };
        deadLetters.push(letter);
      }
      after = entries.at(-1)?.[0] ?? null;
      if (after === null || entries.length < READ) return { deadLetters, nextCursor: null, total };
    }
  }

  /**
   * Publishes the event again, with the time of its first arrival: an old start creates nothing, an old beat counts as old. One of the
   * outbox goes back there, with the place that it had. Returns false if there is no such dead letter; throws InvalidInputError if it
   * cannot be published. After a crash between the two steps it is there still, and may be replayed again: applying an event twice
   * changes nothing.
   */
  async replay(tenant: string, id: string): Promise<boolean> {
    const letter = await this.find(tenant, id);
    if (letter === null) return false;
    if (Object.keys(letter.fields).length === 0) {
      throw new InvalidInputError('id', 'must be of an event; this one has no fields, nothing to publish: discard it');
    }
    const { stream, event } = this.again(tenant, letter);
    await this.call(async () => await this.client.xadd(stream, '*', ...Object.entries(event).flat()));
    await this.call(async () => await this.client.xdel(inboxKeys.deadLetters(tenant), id));
    return true;
  }

  /** Throws the event away. Returns false if there is no such dead letter. */
  async discard(tenant: string, id: string): Promise<boolean> {
    if ((await this.find(tenant, id)) === null) return false;
    return (await this.call(async () => await this.client.xdel(inboxKeys.deadLetters(tenant), id))) === 1;
  }

  private async find(tenant: string, id: string): Promise<DeadLetter | null> {
    if (!ID.test(id)) return null;
    const stream = inboxKeys.deadLetters(tenant);
    const [entry] = await this.call(async () => await this.client.xrange(stream, id, id));
    const letter = entry === undefined ? null : readLetter(...entry);
    return letter !== null && this.tenantOf(letter) === tenant ? letter : null;
  }

  /** What happened must never come back as something that a server asks for. */
  private again(tenant: string, letter: DeadLetter): { stream: string; event: Record<string, string> } {
    const { stream, streamId, fields } = letter;
    if (INBOX.has(stream)) return { stream, event: { ...fields, arrivedAt: String(firstArrivalMs(letter)) } };
    if (this.outboxes.get(tenant)?.has(stream)) return { stream, event: { arrivedAs: streamId, ...fields } };
    throw new InvalidInputError(
      'id',
      `must be of an event from a stream that there is still, not ${stream}: discard it`,
    );
  }

  private tenantOf({ fields }: DeadLetter): string {
    return deadLetterTenant(fields, (name) => this.outboxes.has(name));
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.deadlineMs, verb);
  }
}

/** By the clock of Redis; of an event that was replayed before, when it came for the first time. Never after it was given up. */
function firstArrivalMs({ atMs, streamId, fields }: DeadLetter): number {
  const times = [streamId.split('-')[0] ?? '', fields['arrivedAt'] ?? ''].filter((text) => TIME.test(text));
  return Math.min(atMs, ...times.map(Number));
}

function readLetter(id: string, flat: string[]): DeadLetter {
  const all: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) all[flat[at] ?? ''] = flat[at + 1] ?? '';
  const note = (name: string) => all[`${NOTE}${name}`] ?? '';
  return {
    id,
    atMs: Number(id.slice(0, id.indexOf('-'))),
    reason: note('reason'),
    deliveries: Number(note('deliveries')),
    stream: note('stream'),
    streamId: note('streamId'),
    fields: Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith(NOTE))),
  };
}
