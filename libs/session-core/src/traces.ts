import { shardKeys, shardNumbers, type TenantRef } from './keys.js';
import type { StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

/** Entries read at once: events have up to 64 KiB. */
const READ = 100;
const FIELDS_PER_SCAN = 1_000;

/** Whether an entry of a stream, field by field, is about the person. */
export type IsTheirs = (fields: Readonly<Record<string, string>>) => boolean;

export interface NotedRefusals {
  key: string;
  fields: string[];
  /** Refusals that are counted here alone. */
  waiting: number;
}

/** What Redis keeps of a person when it is over: entries of streams that everybody has read. Each command has a deadline of its own. */
export class Traces {
  constructor(
    private readonly client: StoreClient,
    private readonly deadlineMs: number,
  ) {}

  /** Takes the entries of a stream that are theirs out, those that came until then (ms). Returns how many. */
  async remove(stream: string, untilMs: number, isTheirs: IsTheirs): Promise<number> {
    let removed = 0;
    for (let from = '-'; ;) {
      const entries = await this.call(async () => await this.client.xrange(stream, from, `${untilMs}`, 'COUNT', READ));
      const theirs = entries.flatMap(([id, flat]) => (isTheirs(fieldsOf(flat)) ? [id] : []));
      if (theirs.length > 0) removed += await this.call(async () => await this.client.xdel(stream, ...theirs));
      const last = entries.at(-1)?.[0];
      if (last === undefined || entries.length < READ) return removed;
      from = `(${last}`;
    }
  }

  /** What a shard notes of a user's refusals until the second is over: under which fields of which key, and how many are in no stream yet. */
  async notedRefusals(tenant: TenantRef, user: string): Promise<NotedRefusals[]> {
    const found: NotedRefusals[] = [];
    for (const shard of shardNumbers(tenant)) {
      const key = shardKeys(tenant, shard).refusals;
      const noted = new Map<string, number>();
      let cursor = '0';
      do {
        const [next, flat] = await this.call(
          async () => await this.client.hscan(key, cursor, 'COUNT', `${FIELDS_PER_SCAN}`),
        );
        for (let at = 0; at + 1 < flat.length; at += 2) {
          const [field = '', value = ''] = flat.slice(at, at + 2);
          if (userOf(field) === user) noted.set(field, Number(value.split(' ')[1]));
        }
        cursor = next;
      } while (cursor !== '0');
      const waiting = [...noted.values()].reduce((sum, count) => sum + count, 0);
      if (noted.size > 0) found.push({ key, fields: [...noted.keys()], waiting });
    }
    return found;
  }

  /** Forgets them; those that are in no stream are in no history then. */
  async dropRefusals(noted: readonly NotedRefusals[]): Promise<void> {
    for (const { key, fields } of noted) await this.call(async () => await this.client.hdel(key, ...fields));
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.deadlineMs, verb);
  }
}

/** The user of a field of `refusals`. */
function userOf(field: string): unknown {
  try {
    return (JSON.parse(field) as unknown[])[0];
  } catch {
    return undefined;
  }
}

function fieldsOf(flat: readonly string[]): Record<string, string> {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([flat[at] ?? '', flat[at + 1] ?? '']);
  return Object.fromEntries(pairs);
}
