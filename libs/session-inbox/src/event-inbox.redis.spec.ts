import { expect, it } from '@jest/globals';
import fc from 'fast-check';

import { loadConfig, policyFor } from '#config';
import { NodesStore, SessionStore, SnapshotsStore } from '#session-core';
import { admissionBody, admissionRequest } from '#session-wire';
import { describeWith, inForm, onRedis, type RedisServer } from '#testing';

import { EventInbox } from './event-inbox.js';

const NOW_MS = 1_800_000_000_000;
const SESSIONS = ['a', 'b', 'c d/%'];
const NODE = 'b2bua-1';

interface Published {
  type: string;
  sessionId: string;
  [field: string]: unknown;
}

/** All events of one session: its attempts are numbered, or none is; and each comes once or more. */
const ofSession = (sessionId: string) => {
  const attempt = fc.integer({ min: 1, max: 3 });
  const totals = fc.record({ bytesSent: fc.nat(100), bytesReceived: fc.nat(100) });
  const published = fc.array(
    fc.oneof(
      attempt.map((number): Published => ({
        type: 'session.started',
        sessionId,
        attempt: number,
        user: 'alice',
        node: NODE,
      })),
      fc.record({ attempt, totals }).map(({ attempt: number, totals: sums }): Published => ({
        type: 'session.activity',
        sessionId,
        attempt: number,
        ...sums,
      })),
      attempt.map((number): Published => ({ type: 'session.ended', sessionId, attempt: number })),
    ),
    { maxLength: 8 },
  );
  return fc
    .tuple(published, fc.boolean())
    .map(([events, numbered]) =>
      numbered ? events : events.map((event): Published => ({ ...event, attempt: undefined })),
    );
};

const history = fc.tuple(...SESSIONS.map(ofSession)).map((lists) => lists.flat());

async function liveOf(outcome: ReturnType<SessionStore['get']>) {
  const got = await outcome;
  if (got.kind !== 'live') throw new Error(`The session is ${got.kind}`);
  return got;
}

const FIRST = 1; // who numbers nothing has one attempt
const numberOf = ({ attempt = FIRST }: Published) => Number(attempt);

/** The books as they must be in the end, from the events alone: no order, no count of deliveries. */
function expected(published: readonly Published[]) {
  return SESSIONS.map((sessionId) => {
    const own = published.filter((event) => event.sessionId === sessionId);
    const attempts = (type: string) => own.filter((event) => event.type === type).map(numberOf);
    const started = Math.max(0, ...attempts('session.started'));
    const ended = Math.max(0, ...attempts('session.ended'));
    const numbered = own.some(({ attempt }) => attempt !== undefined);
    if (started <= ended && ended > 0) return { sessionId, kind: 'ended', ...(numbered ? { attempt: ended } : {}) };
    if (started === 0) return { sessionId, kind: 'unknown' };
    const reports = own.filter((event) => event.type === 'session.activity' && numberOf(event) === started);
    const largest = (total: string) => Math.max(0, ...reports.map((event) => Number(event[total])));
    const totals = { bytesSent: largest('bytesSent'), bytesReceived: largest('bytesReceived') };
    return { sessionId, kind: 'live', attempt: started, ...totals };
  });
}

describeWith(['redis-server'], 'what servers publish', () => {
  let redis: RedisServer;

  onRedis((on) => ({ redis } = on));

  function books({ tombstoneMs = 60_000, shards = 1 } = {}) {
    const config = loadConfig({ env: {}, cwd: '/' });
    const tenant = { ...config.tenants.default, tombstoneMs, shards };
    const common = { client: redis.client(), deadlineMs: 60_000, tombstoneMs, clockMs: () => NOW_MS };
    const { nodes: policy } = config;
    const opened = {
      ref: tenant,
      config: tenant,
      store: new SessionStore(common),
      nodes: new NodesStore({ ...common, policy }),
      snapshots: new SnapshotsStore({ ...common, policy, policyOf: () => policyFor(tenant, 'sip') }),
    };
    return { ...opened, inbox: new EventInbox((name) => (name === 'default' ? opened : undefined)) };
  }

  it('comes to the same in every order, however often each event is delivered', async () => {
    const { inbox, store, ref } = books();
    const client = redis.client();
    const orders = history.chain((published) =>
      fc.tuple(
        fc.constant(published),
        fc.shuffledSubarray(published, { minLength: published.length }),
        fc.array(
          published.length === 0
            ? fc.constant<Published>({ type: 'none', sessionId: '' })
            : fc.constantFrom(...published),
          {
            maxLength: 6,
          },
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(orders, async ([published, order, again]) => {
        await client.flushall();
        await store.limits.publishFile(ref, { maxSessionsPerUser: 2 }, 'test');
        const repeats = again.filter(({ type }) => type !== 'none');
        for (const [index, event] of [...order, ...repeats].entries()) {
          const arrival = { id: String(index), atMs: NOW_MS, ageMs: 0, tenant: null, via: 'inbox' } as const;
          await inbox.apply({ v: '1', ...event }, arrival);
        }
        const found = await Promise.all(
          SESSIONS.map(async (sessionId) => {
            const outcome = await store.get(ref, { sessionId });
            return { sessionId, kind: outcome.kind, ...(outcome.kind === 'unknown' ? {} : outcome.session) };
          }),
        );
        expect(found).toMatchObject(expected(published));
        const live = expected(published).filter(({ kind }) => kind === 'live').length;
        expect(await client.zcard('berth:{default/0}:user_sessions:alice')).toBe(live);
      }),
      { numRuns: inForm({ short: 100, long: 300 }) },
    );
  }, 120_000);

  it('keeps the totals of activity that came before its start, and the largest of each', async () => {
    const { inbox, store, ref } = books();
    const client = redis.client();
    const events = [
      { type: 'session.started', sessionId: 'a', user: 'alice' },
      { type: 'session.activity', sessionId: 'a', bytesSent: '70', bytesReceived: '1' },
      { type: 'session.activity', sessionId: 'a', bytesSent: '20', bytesReceived: '9' },
    ];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(events, { minLength: 3 }), async (order) => {
        await client.flushall();
        for (const [index, event] of order.entries()) {
          await inbox.apply(
            { v: '1', ...event },
            { id: String(index), atMs: NOW_MS, ageMs: 0, tenant: null, via: 'inbox' },
          );
        }
        expect(await store.get(ref, { sessionId: 'a' })).toMatchObject({
          session: { bytesSent: 70, bytesReceived: 9 },
        });
        expect(await client.pttl('berth:{default/0}:traffic:a')).toBe(-1);
      }),
      { numRuns: 6 },
    );
    await client.flushall();
    await inbox.apply({ v: '1', ...events[1] }, { id: '1', atMs: NOW_MS, ageMs: 0, tenant: null, via: 'inbox' });
    expect(await client.pttl('berth:{default/0}:early:a:')).toBeGreaterThan(0);
  });

  it.each(['asked for', 'published'])(
    'a start that is %s has the totals of what overtook it, whichever order',
    async (how) => {
      const { inbox, store, ref, config } = books();
      const client = redis.client();
      const started = { type: 'session.started', sessionId: 'a', attempt: 2, user: 'alice' };
      const channels = [{ id: '1', type: 'session' }];
      const events = [
        started,
        { type: 'session.activity', sessionId: 'a', attempt: 2, bytesSent: 70, bytesReceived: 1, channels },
        { type: 'session.activity', sessionId: 'a', bytesSent: 20, bytesReceived: 9 },
        { type: 'session.activity', sessionId: 'a', attempt: 1, bytesSent: 500 },
      ];
      const arrival = (index: number) =>
        ({ id: String(index), atMs: NOW_MS, ageMs: 0, tenant: null, via: 'inbox' }) as const;
      const totals = { bytesSent: 70, bytesReceived: 9, channels };
      await fc.assert(
        fc.asyncProperty(fc.shuffledSubarray(events, { minLength: events.length }), async (order) => {
          await client.flushall();
          await store.limits.publishFile(ref, { maxSessionsPerUser: 2 }, 'test');
          for (const [index, event] of order.entries()) {
            if (event !== started || how === 'published') await inbox.apply({ v: 1, ...event }, arrival(index));
            else {
              const request = admissionRequest(admissionBody.parse(started), config);
              expect((await store.check(ref, request)).kind).toBe('admitted');
              const { decision } = await store.admit(ref, request);
              const { session } = await liveOf(store.get(ref, { sessionId: 'a' }));
              expect(decision).toMatchObject({ kind: 'admitted', repeated: false, session });
            }
          }
          expect(await store.get(ref, { sessionId: 'a' })).toMatchObject({ kind: 'live', session: totals });
          await store.end(ref, { sessionId: 'a' }, { reason: 'completed', by: 'node' });
          expect(await store.get(ref, { sessionId: 'a' })).toMatchObject({
            kind: 'ended',
            session: { bytesSent: 70, bytesReceived: 9 },
          });
        }),
        { numRuns: 24 },
      );
    },
  );

  it('totals find their session in a tenant of several shards, in every order, where only the start names the user', async () => {
    const { inbox, store, ref } = books({ shards: 4 });
    const published = [
      { type: 'session.started', user: 'alice' },
      { type: 'session.activity', bytesSent: 70 },
      { type: 'session.ended', bytesReceived: 9 },
    ];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(published, { minLength: 3 }), async (order) => {
        await redis.client().flushall();
        await store.limits.publishFile(ref, { maxSessionsPerUser: 2 }, 'test');
        for (const [index, event] of order.entries()) {
          const arrival = { id: String(index), atMs: null, ageMs: 0, tenant: null, via: 'http' } as const;
          await inbox.apply({ v: 1, sessionId: 'a', ...event }, arrival);
        }
        const found = await store.get(ref, { sessionId: 'a', user: 'alice' });
        expect(found).toMatchObject({ kind: 'ended', session: { user: 'alice', bytesSent: 70, bytesReceived: 9 } });
      }),
      { numRuns: 12 },
    );
  });

  it('a start that comes too late creates nothing, and asks its node for a snapshot', async () => {
    const { inbox, nodes, ref, store } = books();
    await redis.client().flushall();
    await nodes.beat(ref, { node: NODE, epoch: 1, via: 'http' });
    await redis.client().hset(`berth:{default}:node:${NODE}`, 'snapshot_wanted', '0', 'snapshot_at', NOW_MS);
    expect(await nodes.beat(ref, { node: NODE, epoch: 1, via: 'http' })).toMatchObject({ snapshotWanted: false });
    const event = { v: '1', type: 'session.started', sessionId: 'a', user: 'alice', node: NODE };
    const late = { id: '1', atMs: NOW_MS - 46_000, ageMs: 46_000, tenant: null, via: 'inbox' } as const;
    expect(await inbox.apply(event, late)).toEqual({ status: 202 });
    expect((await store.get(ref, { sessionId: 'a' })).kind).toBe('unknown');
    expect(await nodes.beat(ref, { node: NODE, epoch: 1, via: 'http' })).toMatchObject({ snapshotWanted: true });
  });

  it.each([
    ['three quarters of a short tombstone', 10_000, 7_500],
    ['45 s where the tombstone is long', 600_000, 45_000],
  ])('a start counts as too late after %s', async (_, tombstoneMs, latestMs) => {
    const { inbox, ref, store } = books({ tombstoneMs });
    await redis.client().flushall();
    await store.limits.publishFile(ref, { maxSessionsPerUser: 0 }, 'test');
    const event = { v: '1', type: 'session.started', sessionId: 'a', user: 'alice' };
    const arrival = (ageMs: number) => ({ id: '1', atMs: NOW_MS - ageMs, ageMs, tenant: null, via: 'inbox' }) as const;
    expect(await inbox.apply(event, arrival(latestMs + 1))).toEqual({ status: 202 });
    expect(await inbox.apply(event, arrival(latestMs))).toEqual({ status: 201 });
  });

  it('what arrived before its entry was written has that age, over HTTP none', async () => {
    const { inbox, ref, store } = books();
    await redis.client().flushall();
    await store.limits.publishFile(ref, { maxSessionsPerUser: 0 }, 'test');
    const event = (arrivedAt: number) => ({
      v: '1',
      type: 'session.started',
      sessionId: 'a',
      user: 'alice',
      arrivedAt: String(arrivedAt),
    });
    const entry = { id: '1', atMs: NOW_MS - 1_000, ageMs: 1_000, tenant: null, via: 'inbox' } as const;
    const late = { ...entry, atMs: NOW_MS - 46_000, ageMs: 46_000 };
    expect(await inbox.apply(event(NOW_MS - 45_001), entry)).toEqual({ status: 202 });
    expect(await inbox.apply(event(NOW_MS), late)).toEqual({ status: 202 });
    expect(await inbox.apply(event(NOW_MS - 45_000), entry)).toEqual({ status: 201 });
    const overHttp = { ...entry, atMs: null, ageMs: 0, via: 'http' } as const;
    expect(await inbox.apply({ ...event(0), sessionId: 'b' }, overHttp)).toEqual({ status: 201 });
  });
});
