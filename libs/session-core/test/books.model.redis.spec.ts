import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inForm } from '#testing';
import { end } from '../src/scripts/end.script.js';
import { withdraw } from '../src/scripts/withdraw.script.js';
import type { AdmissionRequest } from '../src/model/decision.js';
import { keys, request, tenant, type Books, useOpenBooks } from './fixture.js';
import { ModelBooks } from './model.js';

const IDS = ['a', 'b', 'c', 'd e/%?'];
const USERS = ['alice', 'bob'];

/** Each step names what it does; the runner does it to the model and to the real books and compares. */
type Step =
  | { do: 'admit'; id: string; attempt: number; user: string; reserved: boolean; emergency: boolean; idle: boolean }
  | { do: 'confirm' | 'renew' | 'get'; id: string }
  | { do: 'end'; id: string; attempt: number | undefined; by: 'node' | 'berth' }
  | { do: 'withdraw'; id: string; attempt: number }
  | { do: 'sweep' }
  | { do: 'limit'; max: number; user: string | undefined }
  | { do: 'action'; action: 'reject' | 'terminate_oldest'; enabled: boolean }
  | { do: 'clock'; ms: number };

const id = fc.constantFrom(...IDS);
const user = fc.constantFrom(...USERS);
const attempt = fc.integer({ min: 1, max: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      id,
      attempt,
      user,
      reserved: fc.boolean(),
      emergency: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      idle: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('confirm' as const, 'renew' as const, 'get' as const), id }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      id,
      attempt: fc.option(attempt, { nil: undefined }),
      by: fc.constantFrom('node' as const, 'berth' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('withdraw' as const), id, attempt }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('limit' as const),
      max: fc.integer({ min: -1, max: 3 }),
      user: fc.option(user, { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('action' as const),
      action: fc.constantFrom('reject' as const, 'terminate_oldest' as const),
      enabled: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('clock' as const),
      ms: fc.constantFrom(1, 999, 10_000, 30_000, 120_000, -45_000),
    }),
  },
);

const POLICY = { idleMs: 20_000, maxDurationMs: 100_000, reservationMs: 8_000 };

/** Runs one sequence of steps against an empty store and the model, comparing answers and books after every step. */
async function agree({ redis, store, clock }: Books, steps: Step[]): Promise<void> {
  const model = new ModelBooks();
  const tokens = new Map<string, number>();
  const context = { client: redis, tenant: tenant.name, shards: 1, shard: 0, clockMs: () => clock.nowMs };
  await store.limits.change(tenant, () => ({ maxSessionsPerUser: model.limits.default }));

  for (const now of steps) {
    switch (now.do) {
      case 'admit': {
        const wanted: AdmissionRequest = request(now.id, {
          attempt: now.attempt,
          user: now.user,
          state: now.reserved ? 'reserved' : 'active',
          priority: now.emergency ? 'emergency' : 'normal',
          policy: { ...POLICY, idleMs: now.idle ? POLICY.idleMs : 0 },
        });
        const dry = await store.check(tenant, wanted);
        const { decision, token } = await store.admit(tenant, wanted);
        const expected = model.admit(clock.nowMs, wanted, token);
        expect([dry.kind, decision.kind]).toEqual([expected.kind, expected.kind]);
        if (decision.kind === 'admitted') {
          tokens.set(now.id, token);
          expect(decision.terminated.map((victim) => victim.id)).toEqual(expected.victims);
          expect(dry).toMatchObject({ terminated: decision.terminated, limits: decision.limits });
          if (!decision.repeated) {
            expect(decision.limits).toEqual([
              {
                scope: 'user',
                key: now.user,
                max: Math.max(0, model.limitOf(now.user)),
                active: model.liveOf(now.user).length,
              },
            ]);
          }
        }
        break;
      }
      case 'confirm':
        expect((await store.confirm(tenant, { sessionId: now.id })).kind).toBe(model.confirm(clock.nowMs, now.id));
        break;
      case 'renew':
        expect((await store.renew(tenant, { sessionId: now.id })).kind).toBe(model.renew(clock.nowMs, now.id));
        break;
      case 'get': {
        const entry = model.entries.get(now.id);
        const expected = entry === undefined || entry.kind === 'withdrawn' ? 'unknown' : entry.kind;
        expect((await store.get(tenant, { sessionId: now.id })).kind).toBe(expected);
        break;
      }
      case 'end': {
        const reason = now.by === 'node' ? 'completed' : 'killed';
        const ending = {
          sessionId: now.id,
          attempt: now.attempt,
          reason,
          note: '',
          by: now.by,
          tombstoneMs: 60_000,
        } as const;
        expect((await end(context, ending)).kind).toBe(model.end(clock.nowMs, now.id, now.attempt, now.by));
        break;
      }
      case 'withdraw': {
        const token = tokens.get(now.id) ?? 1;
        const live = model.entries.get(now.id);
        const number =
          live?.kind === 'live' && live.session.tokens.includes(token) ? live.session.attempt : now.attempt;
        const outcome = await withdraw(context, { sessionId: now.id, attempt: number, token, rememberedMs: 60_000 });
        expect(outcome).toBe(model.withdraw(now.id, number, token));
        break;
      }
      case 'sweep': {
        const swept = await store.sweep(tenant, 0, 100);
        expect(swept.ended.map(({ session }) => session.id).toSorted()).toEqual(model.sweep(clock.nowMs).toSorted());
        break;
      }
      case 'limit': {
        if (now.user === undefined) model.limits.default = now.max;
        else model.limits.users.set(now.user, now.max);
        const said = { maxSessionsPerUser: model.limits.default, users: Object.fromEntries(model.limits.users) };
        await store.limits.change(tenant, (api) => ({ ...api, ...said }));
        break;
      }
      case 'action':
        model.limits.action = now.action;
        model.limits.enabled = now.enabled;
        await store.limits.change(tenant, (api) => ({ ...api, action: now.action, enabled: now.enabled }));
        break;
      case 'clock':
        clock.advance(now.ms);
        break;
    }
    await compareBooks({ redis, store, clock }, model);
  }
}

async function compareBooks({ redis, store }: Books, model: ModelBooks): Promise<void> {
  const pipeline = redis
    .pipeline()
    .zrange(keys.deadlines, '0', '-1', 'WITHSCORES')
    .zrange(keys.users, '0', '-1', 'WITHSCORES');
  for (const name of USERS) pipeline.zrange(keys.userSessions(name), '0', '-1');
  pipeline.smembers(keys.nodeSessions('b2bua-1', 1_763_700_000_000));
  const [deadlines, users, ofAlice, ofBob, ofNode] = ((await pipeline.exec()) ?? []).map(
    ([, value]) => value as string[],
  );

  const live = [...model.entries].flatMap(([name, entry]) =>
    entry.kind === 'live' ? [{ name, ...entry.session }] : [],
  );
  expect(pairs(deadlines)).toEqual(new Map(live.map(({ name, dueMs }) => [name, String(dueMs)])));
  expect(ofAlice).toEqual(model.liveOf('alice').map(([name]) => name));
  expect(ofBob).toEqual(model.liveOf('bob').map(([name]) => name));
  expect(ofNode?.toSorted()).toEqual(live.map(({ name }) => name).toSorted());
  const counts = USERS.map((name) => [name, String(model.liveOf(name).length)] as const).filter(
    ([, count]) => count !== '0',
  );
  expect(pairs(users)).toEqual(new Map(counts));
  for (const [name, entry] of model.entries) {
    if (entry.kind !== 'ended') continue;
    const found = await store.get(tenant, { sessionId: name });
    expect(found).toMatchObject({ kind: 'ended', session: { endReason: entry.reason } });
  }
}

function pairs(flat: string[] | undefined): Map<string, string> {
  return new Map((flat ?? []).flatMap((name, i) => (i % 2 === 0 ? [[name, flat?.[i + 1] ?? ''] as const] : [])));
}

describe('the books agree with a plain model', () => {
  const books = useOpenBooks();

  it('after any sequence of admissions, retries, renewals, endings, sweeps, limit changes and clock jumps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 24, size: 'max' }), async (steps) => {
        await agree(await books.open(), steps);
      }),
      { numRuns: inForm({ short: 250, long: 2_000 }) },
    );
  }, 300_000);
});
