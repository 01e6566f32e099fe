import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inForm } from '#testing';
import { shardKeys, shardNumbers, shardOf, type TenantRef } from '../src/keys.js';
import { claim } from '../src/scripts/claim.script.js';
import { offer, OFFER_LEASE_MS } from '../src/scripts/offer.script.js';
import { consistentBooks, countOf, type FoundSession } from './consistent.js';
import { request, streamOf, type Books, useOpenBooks } from './fixture.js';
import { OutboxReader } from './outbox-reader.js';
import { ModelBooks, type Answer } from './transfer.model.js';

const MAX = 2;
const IDS = ['a', 'b', 'c', 'd e/%?'];
const NEW_IDS = ['n1', 'n2'];
/** With three shards each lives in another one; sessions without a user live in the first. */
const USERS = ['erin', 'mallory', 'alice'];
/** By the user that they are admitted with. */
const GROUPS: Record<string, string[]> = {
  '': ['trunk:west'],
  erin: ['trunk:west', 'carrier:acme'],
  mallory: ['trunk:e"/\\%'],
};
const NODES = ['n-1', 'n-2'];
const SHORT_MS = 15_000;
const LONG_MS = 10_000_000;

type Step =
  | { do: 'admit'; id: string; user: string; node: string; short: boolean }
  | { do: 'authenticate'; id: string; user: string }
  | { do: 'transfer'; id: string; node: string; user: string | null; newId: string | null }
  | { do: 'stop'; id: string; node: string | null; user: string; newId: string | null; after: 'offer' | 'claim' }
  | { do: 'end'; id: string }
  | { do: 'sweep' | 'repair' }
  | { do: 'clock'; ms: number };

const of = <T extends string>(...names: T[]) => fc.constantFrom(...names);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 1 });
const known = of(...IDS, ...NEW_IDS);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: of('admit'),
      id: of(...IDS),
      user: fc.oneof(of(''), of(...USERS)),
      node: of(...NODES),
      short: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: of('authenticate'), id: known, user: of(...USERS) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: of('transfer'),
      id: known,
      node: of(...NODES),
      user: maybe(of(...USERS)),
      newId: maybe(known),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: of('stop'),
      id: known,
      node: maybe(of(...NODES)),
      user: of(...USERS),
      newId: maybe(of(...NEW_IDS)),
      after: of('offer', 'claim'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: of('end'), id: known }) },
  { weight: 2, arbitrary: fc.record({ do: of('sweep', 'repair') }) },
  { weight: 3, arbitrary: fc.record({ do: of('clock'), ms: fc.constantFrom(1, 4_000, SHORT_MS) }) },
);

/** Runs one sequence against an empty store and the model; compares answers and books after every step. */
class Run {
  private readonly model = new ModelBooks(MAX);
  private readonly outbox: OutboxReader[];

  constructor(
    private readonly books: Books,
    private readonly tenant: TenantRef,
  ) {
    this.outbox = shardNumbers(tenant).map((shard) => new OutboxReader(books.redis, shardKeys(tenant, shard).events));
  }

  async all(steps: Step[]): Promise<void> {
    await this.books.store.limits.change(this.tenant, () => ({ maxSessionsPerUser: MAX }));
    for (const now of steps) {
      await this.one(now);
      await this.compare();
    }
    await this.one({ do: 'repair' });
    await this.compare();
    expect((await consistentBooks(this.books.redis, this.tenant)).length).toBe(this.live().length);
    await this.everyLifeEndedOnce();
  }

  private async one(now: Step): Promise<void> {
    const { store, clock } = this.books;
    switch (now.do) {
      case 'admit':
        return await this.admit(now);
      case 'authenticate': {
        const outcome = await store.transfers.authenticate(this.tenant, { sessionId: now.id }, now.user);
        expect(word(outcome)).toBe(this.model.authenticate(clock.nowMs, now.id, now.user));
        break;
      }
      case 'transfer':
        return await this.transfer(now);
      case 'stop':
        return await this.stop(now);
      case 'end': {
        if (this.isPromised(now.id)) return;
        const ended = await store.end(this.tenant, { sessionId: now.id }, { reason: 'completed', by: 'node' });
        expect(ended.kind).toBe(this.model.end(clock.nowMs, now.id));
        break;
      }
      case 'sweep':
        await this.sweep();
        break;
      case 'repair':
        clock.advance(OFFER_LEASE_MS);
        await this.sweep();
        await this.repair();
        break;
      case 'clock':
        clock.advance(now.ms);
        break;
    }
  }

  /** A new id, or a retry as it was first said: another shard may know nothing of the id. */
  private async admit({ id, user, node, short }: Step & { do: 'admit' }): Promise<void> {
    const { store, clock } = this.books;
    const entry = this.model.entries.get(id);
    const repeats = entry?.kind === 'live' && entry.session.user === user && entry.session.dueMs > clock.nowMs;
    if (this.isPromised(id) || (entry !== undefined && !repeats)) return;
    const lastsMs = short ? SHORT_MS : LONG_MS;
    const policy = { idleMs: 0, maxDurationMs: lastsMs, reservationMs: 0 };
    const wanted = request(id, { user, node, epoch: 1, groups: GROUPS[user] ?? [], policy });
    const { decision } = await store.admit(this.tenant, wanted);
    expect(decision.kind).toBe(repeats ? 'admitted' : this.model.admit(clock.nowMs, id, user, node, lastsMs));
  }

  private async transfer({ id, node, user, newId: said }: Step & { do: 'transfer' }): Promise<void> {
    const newId = said === id ? null : said;
    const { store, clock } = this.books;
    // With several shards an id is unique in each, so a new one must be new; and one that is promised is not free.
    const entry = this.model.entries.get(id);
    const repeats = entry?.kind === 'ended' && entry.wentTo === newId;
    if (newId !== null && (this.isPromised(newId) || this.isPromised(id))) return;
    if (newId !== null && this.tenant.shards > 1 && this.model.entries.has(newId) && !repeats) return;
    if (this.isPromised(id)) return;
    const target = { node, epoch: 1, user: user ?? undefined, newId: newId ?? undefined };
    const outcome = await store.transfers.transfer(this.tenant, { sessionId: id }, target);
    expect(word(outcome)).toBe(this.model.transfer(clock.nowMs, id, node, user, newId));
  }

  /** A process that dies after the first step, or after the second. */
  private async stop({ id, node, user, newId, after }: Step & { do: 'stop' }): Promise<void> {
    const { clock } = this.books;
    const entry = this.model.entries.get(id);
    if (entry?.kind !== 'live' || entry.offer !== null || entry.session.dueMs <= clock.nowMs) return;
    const [from, to] = [entry.session.user, user].map((name) => shardOf(this.tenant, name)) as [number, number];
    const toId = node === null ? null : newId;
    if (from === to || (node === null && entry.session.user !== '')) return;
    if (toId !== null && (this.model.entries.has(toId) || this.isPromised(toId))) return;

    const target = node === null ? {} : { node, epoch: 1, newId: toId ?? undefined };
    const handover = { kind: node === null ? 'authenticated' : 'transferred', user, ...target } as const;
    const offered = await offer(this.context(from), { sessionId: id }, { to: handover, token: 42 });
    if (offered.kind !== 'offered') throw new Error(`${id} could not be offered: ${offered.kind}`);
    if (after === 'claim') await claim(this.context(to), { offer: offered.offer, from }, 60_000, offered.seen);
    const offeredAtMs = clock.nowMs;
    this.model.begin(clock.nowMs, id, { user, node, newId: toId, offeredAtMs }, after === 'claim');
  }

  private async sweep(): Promise<void> {
    for (let shard = 0; shard < this.tenant.shards; shard++) await this.books.store.sweep(this.tenant, shard, 100);
    this.model.sweep(this.books.clock.nowMs);
  }

  private async repair(): Promise<void> {
    for (let shard = 0; shard < this.tenant.shards; shard++) {
      await this.books.store.transfers.repair(this.tenant, shard, 100);
      const offered = [...this.model.entries].flatMap(([id, entry]) =>
        entry.kind === 'live' && entry.offer !== null && shardOf(this.tenant, entry.session.user) === shard
          ? [{ id, at: entry.offer.offeredAtMs }]
          : [],
      );
      const inOrder = offered.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
      for (const { id } of inOrder) this.model.settle(this.books.clock.nowMs, id);
    }
  }

  /** Never missing; never over the limit; each where its record says; twice only on its way to another shard. */
  private async compare(): Promise<void> {
    const { redis, store } = this.books;
    const found = await consistentBooks(redis, this.tenant);
    for (const [shard, outbox] of this.outbox.entries()) {
      await outbox.follow();
      const inShard = found.filter((copy) => copy.shard === shard).map(({ session }) => session);
      expect(outbox.live).toEqual(
        new Map(inShard.map(({ id, user, groups, startedAtMs }) => [id, { user, groups, startedAtMs }])),
      );
    }
    for (const [id, { session, offer: way }] of this.live()) {
      const copies = found.filter((copy) => copy.session.id === id || copy.session.id === way?.newId);
      const expected = [here(this.tenant, id, session)];
      if (way?.claimed === true) {
        const { user, node } = way;
        expected.push(here(this.tenant, way.newId ?? id, { ...session, user, node: node ?? session.node }));
      }
      expect(copies.map(plain).toSorted(byText)).toEqual(expected.toSorted(byText));
      expect(await store.get(this.tenant, { sessionId: id })).toMatchObject({ kind: 'live' });
    }
    for (const user of USERS) expect(await countOf(redis, this.tenant, user)).toBeLessThanOrEqual(MAX);
    for (const [id, entry] of this.model.entries) {
      if (entry.kind === 'live') continue;
      const outcome = await store.get(this.tenant, { sessionId: id });
      // The half of a stopped handover that is due is shown as it is on the books, until a sweep has been there.
      if (outcome.kind === 'live' && (outcome.session.expiresAtMs ?? Infinity) <= this.books.clock.nowMs) continue;
      expect([id, outcome]).toMatchObject([id, { kind: 'ended', session: { endReason: entry.reason } }]);
    }
  }

  private async everyLifeEndedOnce(): Promise<void> {
    const { redis } = this.books;
    const ends = new Set<string>();
    for (let shard = 0; shard < this.tenant.shards; shard++) {
      for (const event of await streamOf(redis, shardKeys(this.tenant, shard).events)) {
        if (event['type'] === 'session.ended') ends.add(`${event['id']}`);
      }
    }
    const lives = [...ends].map((id) => id.slice(0, id.indexOf('/ended/')));
    expect(new Set(lives).size).toBe(lives.length);
  }

  private live() {
    return [...this.model.entries].flatMap(([id, entry]) => (entry.kind === 'live' ? [[id, entry] as const] : []));
  }

  /** On its way under another id: what is asked of either id meanwhile is asked of one half of it. */
  private isPromised(id: string): boolean {
    return this.live().some(
      ([oldId, { offer: way }]) => way !== null && way.newId !== null && [oldId, way.newId].includes(id),
    );
  }

  private context(shard: number) {
    const { redis: client, clock } = this.books;
    return { client, tenant: this.tenant.name, shards: this.tenant.shards, shard, clockMs: () => clock.nowMs };
  }
}

function word(outcome: { kind: string; changed?: boolean }): Answer {
  return (outcome.kind === 'live' && outcome.changed === true ? 'moved' : outcome.kind) as Answer;
}

function here(tenant: TenantRef, id: string, { user, node, startedAtMs, dueMs }: Parameters<typeof plainOf>[1]) {
  return plainOf(id, { user, node, startedAtMs, dueMs }, shardOf(tenant, user));
}

function plainOf(
  id: string,
  session: { user: string; node: string; startedAtMs: number; dueMs: number },
  shard: number,
) {
  return JSON.stringify([id, shard, session.user, session.node, session.startedAtMs, session.dueMs]);
}

function plain({ shard, session: { id, user, node, startedAtMs, expiresAtMs } }: FoundSession) {
  return plainOf(id, { user, node: node ?? '', startedAtMs, dueMs: expiresAtMs ?? 0 }, shard);
}

const byText = (a: string, b: string) => (a < b ? -1 : 1);

describe('handing over agrees with a plain model', () => {
  const books = useOpenBooks();

  it.each([
    { name: 'default', shards: 1 },
    { name: 'acme', shards: 3 },
  ])(
    'after any sequence of admissions, authentications, transfers, endings, sweeps and crashes, $shards shard(s)',
    async (tenant) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20, size: 'max' }), async (steps) => {
          await new Run(await books.open(), tenant).all(steps);
        }),
        { numRuns: inForm({ short: 50, long: 200 }) },
      );
    },
    300_000,
  );
});
