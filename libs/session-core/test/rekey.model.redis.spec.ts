import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { shardKeys, shardNumbers, shardOf, tenantKeys } from '../src/keys.js';
import { identify, type IdentityRules } from '../src/model/identity/index.js';
import { consistentBooks } from './consistent.js';
import { startBooks, streamOf, type Books } from './fixture.js';
import {
  ALL_RULES,
  called,
  FOLD_DROP,
  KEEP_KEEP,
  processOf,
  rekey,
  tenantWith,
  type RekeyBooks,
} from './rekey.fixture.js';

const MAX = 3;
interface Caller {
  name: string;
  host: string;
}

/** Few enough that spellings of one user meet. */
const caller: fc.Arbitrary<Caller> = fc.record({
  name: fc.constantFrom('ann', 'Ann', 'ANN', 'bob', 'Bob', 'jürgen', 'JÜRGEN', 'a.b%40c', 'x%20y', '+1-415-555-1234'),
  host: fc.constantFrom('a.example', 'A.Example', 'b.example', '[2001:db8::1]'),
});
const fromOf = ({ name, host }: Caller) => `"X" <sip:${name}@${host}>;tag=1`;

interface Plan {
  was: IdentityRules;
  is: IdentityRules;
  shards: number;
  callers: Caller[];
  /** At the so many-th call to Redis a run dies; each of these runs, then one that nobody kills. */
  deaths: number[];
}

const plan: fc.Arbitrary<Plan> = fc.record({
  was: fc.constantFrom(...ALL_RULES),
  is: fc.constantFrom(...ALL_RULES),
  shards: fc.constantFrom(1, 4),
  callers: fc.array(caller, { minLength: 1, maxLength: 60 }),
  deaths: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
});

/** Of this client the so many-th call is sent, and its answer and every later call are lost: the process is gone. */
function dying(client: Redis, calls: number): Redis {
  let left = calls;
  const alive = (): void => {
    if (left-- <= 0) throw new Error('killed');
  };
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      const call = (value as (...all: unknown[]) => unknown).bind(target);
      if (name === 'multi') {
        return () => {
          alive();
          return call();
        };
      }
      return async (...args: unknown[]) => {
        alive();
        const answer: unknown = await call(...args);
        if (left <= 0) throw new Error('killed');
        return answer;
      };
    },
  });
}

describe('a change of the identity rules, whoever calls and wherever it is killed', () => {
  let open: () => Promise<Books>;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const started = await startBooks();
    ({ open } = started);
    stop = async () => await started.server.stop();
  });
  afterAll(async () => {
    await stop();
  });

  /** Admits, changes the rules with these interruptions, and looks. Returns whether every run that was to die did. */
  async function check({ was, is, shards, callers, deaths }: Plan): Promise<boolean> {
    const { redis, clock } = await open();
    const books: RekeyBooks = { client: redis, clock };
    const [before, after] = [tenantWith(was, shards), tenantWith(is, shards)];
    const old = processOf(books, before);
    await old.open();
    await old.store.limits.change(before, () => ({ maxSessionsPerUser: MAX }));
    const live = new Map<string, Caller>();
    for (const [i, one] of callers.entries()) {
      const { kind } = await old.admit(called(`s${i}`, fromOf(one), was));
      if (kind === 'admitted') live.set(`s${i}`, one);
    }

    let died = 0;
    for (const calls of deaths) {
      await rekey({ ...books, client: dying(redis, calls) }, after).catch(() => died++);
      await redis.del(tenantKeys(after.name).rekeyLease); // its ten seconds are over
      const there = await idsOf(redis, after.shards);
      for (const id of live.keys()) expect(there).toContain(id); // never lost, not for a moment
    }
    expect((await rekey(books, after)).kind).not.toBe('refused');

    const userOf = (one: Caller) => {
      const identified = identify({ from: fromOf(one) }, is);
      return identified.ok ? identified.user : '';
    };
    const wanted = [...live].map(([id, one]) => `${id} ${shardOf(after, userOf(one))} ${userOf(one)}`);
    const found = (await consistentBooks(redis, after)).map(
      ({ shard, session }) => `${session.id} ${shard} ${session.user}`,
    );
    expect(found.toSorted()).toEqual(wanted.toSorted());
    const events = await Promise.all(
      shardNumbers(after).map((shard) => streamOf(redis, shardKeys(after, shard).events)),
    );
    expect(events.flat().filter(({ type }) => type === 'session.ended')).toEqual([]);
    const renamed = events.flat().filter(({ type }) => type === 'session.authenticated');
    expect(new Set(renamed.map(({ session = '' }) => (JSON.parse(session) as { id: string }).id)).size).toBe(
      renamed.length,
    );

    const now = processOf(books, after);
    expect(await now.open()).toEqual({ kind: 'known' });
    for (const [i, one] of callers.entries()) {
      const held = [...live.values()].filter((other) => userOf(other) === userOf(one)).length;
      const { decision } = await now.store.admit(after, called(`next-${i}`, fromOf(one), is));
      expect(decision.kind).toBe(held < MAX ? 'admitted' : 'rejected');
      await now.store.end(after, { sessionId: `next-${i}` }, { reason: 'completed', by: 'node' });
    }
    return died === deaths.length;
  }

  it('leaves every session on the books exactly once, under the name that the new rules give, and limits hold', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (planned) => void (await check(planned))),
      { numRuns: 60 },
    );
  }, 180_000);

  it('bears being killed at every single call, each time with a second run that finishes it', async () => {
    const callers = ['Ann', 'ANN', 'ann', 'Bob', 'bob'].flatMap((name) =>
      ['a.example', 'b.example'].map((host) => ({ name, host })),
    );
    const fixed = { was: KEEP_KEEP, is: FOLD_DROP, shards: 4, callers };
    let calls = 1;
    while (await check({ ...fixed, deaths: [calls] })) calls++;
    expect(calls).toBeGreaterThan(40);
  }, 180_000);
});

/** In whichever shards they are. */
async function idsOf(redis: Redis, shards: number): Promise<string[]> {
  const keys = await redis.keys('*:deadlines');
  expect(keys.length).toBeLessThanOrEqual(shards);
  return (await Promise.all(keys.map((key) => redis.zrange(key, '0', '-1')))).flat();
}
