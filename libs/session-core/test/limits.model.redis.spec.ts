import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inForm } from '#testing';
import { withdraw } from '../src/scripts/withdraw.script.js';
import type { Decision } from '../src/model/decision.js';
import type { LimitState } from '../src/model/limit.js';
import { keys, request, tenant, type Books, useOpenBooks } from './fixture.js';
import { LimitsModel, type Caller, type ModelDecision } from './limits.model.js';
import { OutboxReader } from './outbox-reader.js';
import { ADDRESSES, beginning, GROUPS, IDS, step, USERS, type Step } from './limits.steps.js';

const RUNS = inForm({ short: 200, long: 2_000 });
const byKey = (limits: LimitState[]) =>
  new Map(limits.map((limit) => [`${limit.scope} ${limit.key} ${limit.retryAfterMs ?? ''}`, limit]));

function requestOf({ id, emergency, lastsMs, address, ...said }: Caller) {
  return request(id, {
    ...said,
    priority: emergency ? 'emergency' : 'normal',
    facts: { ...request(id).facts, sourceIp: address },
    policy: { idleMs: 0, maxDurationMs: lastsMs, reservationMs: 1 },
  });
}

/** The kind of decision is the model's, with the limits that are full and observed; the victims are as few, and all of them may go. */
function expectDecision(decision: Decision, expected: ModelDecision): void {
  if (expected.kind === 'repeated') {
    expect(decision).toMatchObject({ kind: 'admitted', repeated: true, terminated: [] });
  } else if (expected.kind === 'rejected' && decision.kind === 'rejected') {
    expect(byKey(decision.limits)).toEqual(byKey(expected.full));
  } else if (expected.kind === 'admitted' && decision.kind === 'admitted') {
    const { size, of, inOrder, suffices } = expected.room;
    const victims = decision.terminated.map(({ id }) => id);
    expect({ victims, suffice: suffices(victims), size: victims.length }).toMatchObject({ suffice: true, size });
    expect(victims.every((id) => of.includes(id))).toBe(true);
    if (inOrder) expect(victims).toEqual(of.slice(0, size));
    const names = ({ observed }: LimitState) => observed === true;
    const observed = decision.limits.filter(names).map(({ scope, key }) => `${scope} ${key}`);
    expect(observed.toSorted()).toEqual(expected.observed.map(({ scope, key }) => `${scope} ${key}`).toSorted());
  }
  expect(decision.kind).toBe(expected.kind === 'repeated' ? 'admitted' : expected.kind);
}

class Run {
  readonly model = new LimitsModel();
  private readonly tokens = new Map<string, number>();
  private readonly outbox: OutboxReader;
  private version = 0;

  constructor(private readonly books: Books) {
    this.outbox = new OutboxReader(books.redis, keys.events);
  }

  async do(now: Step): Promise<void> {
    const { redis, store, clock } = this.books;
    const { model } = this;
    switch (now.do) {
      case 'admit':
        return await this.admit(now.caller);
      case 'end':
        if (!model.live.has(now.id)) return;
        await store.end(tenant, { sessionId: now.id }, { reason: 'completed', by: 'node' });
        return model.end(now.id);
      case 'withdraw': {
        const session = model.live.get(now.id);
        if (session === undefined) return;
        const { id: sessionId, attempt, address } = session;
        const token = this.tokens.get(sessionId) ?? 1;
        const context = { client: redis, tenant: tenant.name, shards: 1, shard: 0, clockMs: () => clock.nowMs };
        const outcome = await withdraw(context, { sessionId, attempt, token, rememberedMs: 60_000, address });
        return expect(outcome).toBe(model.withdraw(clock.nowMs, sessionId, token));
      }
      case 'sweep': {
        const { ended } = await store.sweep(tenant, 0, 100);
        return expect(ended.map(({ session }) => session.id).toSorted()).toEqual(model.sweep(clock.nowMs).toSorted());
      }
      case 'clock':
        return clock.advance(now.ms);
      case 'limits':
        model.limits = now.edit(model.limits, clock.nowMs);
        ({ version: this.version } = await store.limits.change(tenant, () => model.limits));
        await store.upkeep(tenant, 0, 100); // it completes the order of starts
    }
  }

  private async admit(caller: Caller): Promise<void> {
    const { store, clock } = this.books;
    const { model } = this;
    const dry = await store.check(tenant, requestOf(caller));
    const { decision, token } = await store.admit(tenant, requestOf(caller));
    const expected = model.admit(clock.nowMs, caller);
    expectDecision(decision, expected);
    if (decision.kind === 'admitted' || decision.kind === 'rejected') {
      expect(decision.policyVersion).toBe(this.version);
      const { kind, limits } = decision;
      expect(dry).toMatchObject({ kind, limits });
      if (kind === 'admitted')
        expect(dry).toMatchObject({ terminated: decision.terminated, repeated: decision.repeated });
    }
    if (decision.kind !== 'admitted') return;
    this.tokens.set(caller.id, token);
    if (decision.repeated) {
      const owners = model.live.get(caller.id)?.tokens;
      if (owners !== undefined && owners.length < 8) owners.push(token);
      return;
    }
    const entered = model.enter(
      clock.nowMs,
      caller,
      decision.terminated.map(({ id }) => id),
      token,
    );
    if (model.limits.enabled === false) return;
    const counted = decision.limits
      .filter(({ scope }) => scope !== 'ip')
      .map(({ observed: _observed, ...limit }) => limit);
    expect(byKey(counted)).toEqual(byKey(entered));
  }

  async compare(): Promise<void> {
    const { redis, clock } = this.books;
    const live = [...this.model.live.values()];
    const pipeline = redis.pipeline().zrange(keys.deadlines, '0', '-1', 'WITHSCORES').zrange(keys.started, '0', '-1');
    pipeline.zrange(keys.groups, '0', '-1', 'WITHSCORES').zrange(keys.users, '0', '-1', 'WITHSCORES');
    const names = [...USERS.map(keys.userSessions), ...GROUPS.map(keys.groupSessions)];
    for (const name of names) pipeline.zrange(name, '0', '-1');
    for (const address of ADDRESSES) pipeline.zcard(keys.ipRate(address));
    for (const key of [...USERS.map(keys.userRate), ...GROUPS.map(keys.groupRate)]) pipeline.get(key);
    const [deadlines, started, groups, users, ...found] = ((await pipeline.exec()) ?? []).map(([, value]) => value);

    const idsOf = (sessions: typeof live) => sessions.map(({ id }) => id).toSorted();
    const dues = live.flatMap(({ id, dueMs }) => [id, dueMs === Infinity ? 'inf' : String(dueMs)]);
    expect(pairs(deadlines)).toEqual(pairs(dues));
    const keepsOrder = this.model.limits.totalAction === 'terminate_oldest';
    expect((started as string[]).toSorted()).toEqual(keepsOrder ? idsOf(live) : []);
    const sets = [
      ...USERS.map((user) => live.filter((session) => session.user === user)),
      ...GROUPS.map((group) => live.filter((session) => session.groups.includes(group))),
    ];
    expect(found.slice(0, names.length).map((ids) => (ids as string[]).toSorted())).toEqual(sets.map(idsOf));
    const counts = (of: string[], from: number) =>
      of.flatMap((name, i) => (sets[from + i]?.length ? [name, String(sets[from + i]?.length)] : []));
    expect([pairs(users), pairs(groups)]).toEqual([pairs(counts(USERS, 0)), pairs(counts(GROUPS, USERS.length))]);

    const { logs, paid } = this.model.rates;
    const [logged, owed] = [found.slice(names.length, -names.length), found.slice(-names.length)];
    expect(logged).toEqual(ADDRESSES.map((address) => logs.get(address)?.length ?? 0));
    const owing = [...USERS.map((user) => `user:${user}`), ...GROUPS.map((group) => `group:${group}`)];
    const ahead = (untilMs: unknown) => Math.max(0, Number(untilMs ?? 0) - clock.nowMs);
    expect(owed.map(ahead)).toEqual(owing.map((name) => ahead(paid.get(name))));

    await this.outbox.follow();
    const plain = live.map(({ id, user, groups: of, startedAtMs }) => [id, { user, groups: of, startedAtMs }] as const);
    expect(this.outbox.live).toEqual(new Map(plain));
  }
}

function pairs(flat: unknown): Map<string, string> {
  const list = flat as string[];
  return new Map(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] ?? ''] as const] : [])));
}

describe('limits agree with a plain model', () => {
  const books = useOpenBooks();

  it('after any sequence of admissions, ends, withdrawals, sweeps, clock jumps and changes of limits of every kind', async () => {
    expect(IDS.length).toBeLessThan(12); // the model tries every set of victims
    await fc.assert(
      fc.asyncProperty(
        beginning,
        fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }),
        async (limits, steps) => {
          const run = new Run(await books.open());
          await run.do({ do: 'limits', edit: () => limits });
          for (const now of steps) {
            await run.do(now);
            await run.compare();
          }
        },
      ),
      { numRuns: RUNS },
    );
  }, 400_000);
});
