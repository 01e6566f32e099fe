import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inForm } from '#testing';
import type { SnapshotEntry, SnapshotOutcome } from '../src/model/snapshot.js';
import { keys, request, streamOf, tenant, type Books, useOpenBooks } from './fixture.js';
import { entry, EPOCH, NODE, POLICY, Reconciling } from './snapshot.fixture.js';
import { OutboxReader } from './outbox-reader.js';

type Sending = 'full' | 'doubled' | 'backwards' | 'incomplete';

/**
 * `begin` takes a mark and makes a list of what the node holds then; `send` sends the one that was begun so many before, whatever has
 * happened since. `blind` starts a session that nobody was asked about, `vanish` ends one without a report.
 */
type Step =
  | { do: 'admit' | 'blind'; user: string }
  | { do: 'end' | 'vanish'; which: number }
  | { do: 'begin' }
  | { do: 'send'; back: number; how: Sending }
  | { do: 'snapshot'; how: Sending }
  | { do: 'lose' | 'beat' }
  | { do: 'clock'; ms: number };

/** `trunk:west` is within `carrier:acme`. */
const GROUPS: Record<string, string[]> = { alice: ['trunk:west'], bob: ['trunk:west', 'trunk:east'] };
const user = fc.constantFrom('alice', 'bob', 'x:1/%');
const how = fc.constantFrom<Sending>('full', 'full', 'doubled', 'backwards', 'incomplete');
const which = fc.nat({ max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('admit' as const), user }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('blind' as const), user }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'vanish' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('send' as const), back: fc.nat({ max: 2 }), how }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('snapshot' as const), how }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('beat' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('clock' as const), ms: fc.constantFrom(1, 1_000, 9_000, 70_000) }),
  },
);

interface List {
  mark: number;
  sessions: SnapshotEntry[];
}

/** A node with what it really holds: the plain truth that the books have to come to. */
class World {
  readonly truth = new Map<string, SnapshotEntry>();
  /** Sessions whose end the node has reported. */
  readonly reported = new Set<string>();
  readonly lists: List[] = [];
  private readonly r: Reconciling;
  private readonly outbox: OutboxReader;
  private lost = false;
  private names = 0;
  private seen = 0;

  constructor(private readonly books: Books) {
    this.outbox = new OutboxReader(books.redis, keys.events);
    this.r = new Reconciling(books, tenant, { policy: { ...POLICY, fuseSessions: 1_000 } });
  }

  async run(now: Step): Promise<void> {
    const { store, clock } = this.books;
    switch (now.do) {
      case 'admit': {
        const id = this.newId();
        const { decision } = await store.admit(
          tenant,
          request(id, { user: now.user, node: NODE, epoch: EPOCH, groups: GROUPS[now.user] ?? [] }),
        );
        if (decision.kind === 'admitted') this.hold(id, now.user);
        break;
      }
      case 'blind':
        this.hold(this.newId(), now.user);
        break;
      case 'end':
      case 'vanish': {
        const id = [...this.truth.keys()][now.which % Math.max(1, this.truth.size)];
        if (id === undefined) break;
        this.truth.delete(id);
        if (now.do === 'vanish') break;
        this.reported.add(id);
        await store.end(tenant, { sessionId: id }, { reason: 'completed', by: 'node' });
        break;
      }
      case 'begin':
        this.lists.push(await this.begin());
        break;
      case 'send': {
        const list = this.lists.at(-1 - now.back);
        if (list !== undefined) await this.send(list, now.how);
        break;
      }
      case 'snapshot':
        await this.snapshot(now.how);
        break;
      case 'lose':
        await this.r.pass(22_000);
        this.lost = true;
        break;
      case 'beat':
        await this.beat();
        break;
      case 'clock':
        // A node that lives beats; what of it falls into the time that passes is not what is tried here.
        if (this.lost) clock.advance(now.ms);
        else await this.r.pass(now.ms, [NODE]);
        break;
    }
    await this.nothingWrong();
  }

  /** Two lists, one after the other, as good as they can be: then the books are the truth. */
  async settle(): Promise<void> {
    for (let i = 0; i < 2; i += 1) {
      this.books.clock.advance(1_000);
      expect(await this.snapshot('full')).toMatchObject({ kind: 'complete', suspended: null });
      await this.nothingWrong();
    }
    const { redis } = this.books;
    const truth = [...this.truth.values()];
    const ids = truth.map(({ id }) => id).toSorted();
    expect((await redis.zrange(keys.deadlines, '0', '-1')).toSorted()).toEqual(ids);
    expect((await redis.smembers(keys.nodeSessions(NODE, EPOCH))).toSorted()).toEqual(ids);
    for (const name of new Set(truth.map((said) => said.user))) {
      const mine = truth.filter((said) => said.user === name);
      const zset = await redis.zrange(keys.userSessions(name), '0', '-1', 'WITHSCORES');
      const starts = new Map(zset.flatMap((id, i) => (i % 2 === 0 ? [[id, Number(zset[i + 1])] as const] : [])));
      expect(starts).toEqual(new Map(mine.map(({ id, startedAtMs }) => [id, startedAtMs])));
      expect(await redis.zscore(keys.users, name)).toBe(String(mine.length));
    }
    expect(await redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
  }

  private async begin(): Promise<List> {
    await this.beat();
    return { mark: await this.r.beat(), sessions: [...this.truth.values()] };
  }

  private async beat(): Promise<void> {
    await this.r.beat();
    this.lost = false;
  }

  private async snapshot(sent: Sending): Promise<SnapshotOutcome | undefined> {
    const list = await this.begin();
    this.books.clock.advance(1_000);
    return await this.send(list, sent);
  }

  private async send({ mark, sessions }: List, sent: Sending): Promise<SnapshotOutcome | undefined> {
    const parts = Math.ceil(sessions.length / 3) + 1;
    const all = Array.from({ length: parts }, (_, i) => ({ part: i + 1, sessions: sessions.slice(3 * i, 3 * i + 3) }));
    const order = { full: all, doubled: [...all, ...all], backwards: all.toReversed(), incomplete: all.slice(1) }[sent];
    let outcome: SnapshotOutcome | undefined;
    for (const part of order) {
      outcome = await this.r.part({ mark, parts, ...part, none: sessions.length === 0 });
      // The node has to end only what it has not, or what is over.
      if (outcome.kind === 'complete')
        for (const id of outcome.hangUp) expect([...this.truth.keys()]).not.toContain(id);
    }
    return outcome;
  }

  private hold(id: string, name: string): void {
    this.truth.set(id, entry(id, { user: name, startedAtMs: this.books.clock.nowMs, groups: GROUPS[name] ?? [] }));
  }

  private newId(): string {
    return `call-${this.names++}`;
  }

  /** No list ends what the node holds; what is over by the node's word stays so. */
  private async nothingWrong(): Promise<void> {
    const events = await streamOf(this.books.redis, keys.events);
    for (const { type, reason, sessionId = '', session } of events.slice(this.seen)) {
      if (type === 'session.ended' && reason === 'reconciled') expect([...this.truth.keys()]).not.toContain(sessionId);
      if (type === 'session.adopted') {
        const { id } = JSON.parse(session ?? '') as { id: string };
        expect([...this.reported]).not.toContain(id);
      }
    }
    this.seen = events.length;
    await this.outbox.follow();
    expect([...this.outbox.live.keys()].toSorted()).toEqual(
      (await this.books.redis.zrange(keys.deadlines, '0', '-1')).toSorted(),
    );
  }
}

describe('the books come to what the node holds', () => {
  const books = useOpenBooks();

  it('after any admissions, endings, losses and returns, and lists fresh, late, partial, doubled and out of order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25, size: 'max' }), async (steps) => {
        const opened = await books.open();
        await opened.store.limits.change(tenant, () => ({
          maxSessionsPerUser: 4,
          groups: { trunk: { default: 0, parents: { west: 'carrier:acme' } } },
        }));
        const world = new World(opened);
        await world.run({ do: 'beat' });
        for (const now of steps) await world.run(now);
        await world.settle();
      }),
      { numRuns: inForm({ short: 60, long: 300 }) },
    );
  }, 300_000);
});
