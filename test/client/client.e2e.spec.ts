import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { BerthClient, BerthError, InvalidRequestError, UnavailableError, type ClientOptions } from '#client';
import { shardKeys } from '#session-core';
import { describeWith, eventually, freePort, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { FaultyFront } from './faulty-front.js';

const CONFIG = `
limits: { max_sessions_per_user: 2 }
nodes: { lease: 30 }
store: { decision_deadline_ms: 2000 }
`;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);

let redis: RedisServer;
let berth: Berth;
let books: Redis;
let fronts: [FaultyFront, FaultyFront];
const clients: BerthClient[] = [];
const problems: BerthError[] = [];

describeWith(['redis-server'], 'the client over HTTP', () => {
  beforeAll(async () => {
    redis = await startRedis();
    books = redis.client();
    berth = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway'], gateways: 2, configYaml: CONFIG });
  });

  beforeEach(async () => {
    const [one, two] = berth.gateways.map(({ url }) => FaultyFront.start(url));
    fronts = [await one!, await two!];
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((made) => made.close()));
    await Promise.all(fronts.map((front) => front.stop()));
    expect(problems.splice(0)).toEqual([]);
    await eventually(async () => {
      await books.flushall();
      expect(await live()).toEqual([]);
    });
  });

  afterAll(async () => {
    await berth?.stop();
    await redis?.stop();
  });

  const live = async () => (await books.zrange(keys.deadlines, '0', '-1')).toSorted();

  function client(options: Partial<ClientOptions> = {}): BerthClient {
    const gateways = fronts.map(({ url }) => url);
    // No speed is asserted: a loaded machine gets its time.
    const made = new BerthClient({
      gateways,
      deadlineMs: 10_000,
      onProblem: (error) => problems.push(error),
      ...options,
    });
    clients.push(made);
    return made;
  }

  /** The front that the client has begun to use. */
  async function inUse(made: BerthClient): Promise<FaultyFront> {
    await made.get('none');
    return fronts.find(({ requests }) => requests > 0)!;
  }

  it('admits, renews, shows and ends a session; what comes after its end is told so', async () => {
    const berthClient = client();
    const admitted = await berthClient.admit({ sessionId: 'c1', user: 'alice', state: 'reserved' });
    expect(admitted).toMatchObject({
      kind: 'admitted',
      mayStart: true,
      repeated: false,
      sessionId: 'c1',
      session: { user: 'alice' },
    });
    expect(await berthClient.admit({ sessionId: 'c1', user: 'alice' })).toMatchObject({
      kind: 'admitted',
      repeated: true,
    });
    expect(await berthClient.confirm('c1')).toMatchObject({ kind: 'live', session: { state: 'active' } });
    expect(await berthClient.activity('c1', { bytesSent: 7 })).toMatchObject({
      kind: 'renewed',
      expiresAt: expect.any(String),
    });
    expect(await berthClient.get('c1')).toMatchObject({ id: 'c1', bytesSent: 7 });
    expect(await berthClient.end('c1', { bytesSent: 9, reason: 'BYE' })).toEqual({ kind: 'ended' });
    expect(await berthClient.end('c1')).toEqual({ kind: 'ended' });
    expect(await berthClient.get('c1')).toMatchObject({ state: 'ended', bytesSent: 9 });
    expect(await berthClient.activity('c1')).toEqual({ kind: 'ended' });
    expect(await berthClient.confirm('c1')).toEqual({ kind: 'ended' });
    expect(await berthClient.admit({ sessionId: 'c1', user: 'alice' })).toMatchObject({
      kind: 'ended',
      mayStart: false,
      sip: { code: 503 },
    });
    expect(await berthClient.confirm('never')).toEqual({ kind: 'unknown' });
    expect(await berthClient.get('never')).toBeNull();
    expect(await berthClient.end('never')).toEqual({ kind: 'unknown' });
  });

  it('gives a refusal as a value, with every full limit and what to answer the caller', async () => {
    const berthClient = client();
    for (const sessionId of ['c1', 'c2']) await berthClient.admit({ sessionId, user: 'alice' });
    const refused = {
      kind: 'rejected',
      mayStart: false,
      code: 'user-limit-exceeded',
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 2 }],
      sip: { code: 486, reason: 'Busy Here' },
      retryAfterMs: null,
    };
    expect(await berthClient.admit({ sessionId: 'c3', user: 'alice' })).toEqual({ ...refused, sessionId: 'c3' });
    expect(await berthClient.check({ sessionId: 'c3', user: 'alice' })).toEqual({ ...refused, sessionId: 'c3' });
    expect(await berthClient.check({ sessionId: 'c3', user: 'bob' })).toMatchObject({
      kind: 'admitted',
      mayStart: true,
    });
    expect(await berthClient.admit({ sessionId: 'c1', user: 'bob' })).toMatchObject({
      kind: 'id-conflict',
      mayStart: false,
    });
    expect(await live()).toEqual(['c1', 'c2']);
  });

  it('makes an id where none is given, and names it', async () => {
    const { sessionId } = await client().admit({ user: 'alice' });
    expect(await live()).toEqual([sessionId]);
  });

  it('reaches ids that no path can hold', async () => {
    const berthClient = client();
    for (const sessionId of ['..', '.', 'a/b?c#d%41', 'ü"\\']) {
      expect(await berthClient.admit({ sessionId, user: sessionId.length > 1 ? 'alice' : 'bob' })).toMatchObject({
        sessionId,
      });
      expect(await berthClient.get(sessionId)).toMatchObject({ id: sessionId });
      expect(await berthClient.confirm(sessionId)).toMatchObject({ kind: 'live', session: { id: sessionId } });
      expect(await berthClient.end(sessionId)).toEqual({ kind: 'ended' });
    }
  });

  it('hands sessions over, and lets them authenticate', async () => {
    const berthClient = client({ node: 'b2bua-1' });
    await berthClient.admit({ sessionId: 's1', protocol: 'ssh' });
    expect(await berthClient.authenticate('s1', 'alice')).toMatchObject({
      kind: 'live',
      session: { user: 'alice', node: 'b2bua-1' },
    });
    expect(await berthClient.authenticate('s1', 'bob')).toEqual({ kind: 'id-conflict' });
    expect(await berthClient.transfer('s1', { node: 'b2bua-2', newId: 's2' })).toMatchObject({
      kind: 'live',
      session: { id: 's2' },
    });
    expect(await berthClient.confirm('s1')).toEqual({ kind: 'ended' });
    await berthClient.admit({ sessionId: 'c2', user: 'alice' });
    await berthClient.admit({ sessionId: 's3', protocol: 'ssh' });
    expect(await berthClient.authenticate('s3', 'alice')).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'alice', active: 2 }],
    });
  });

  it('beats, lists what a node holds, and gets and acknowledges its commands', async () => {
    const berthClient = client({ node: 'n', epoch: 100 });
    const beat = await berthClient.heartbeat('n', { epoch: 100 });
    expect(beat).toMatchObject({ kind: 'beat', leaseSeconds: 30, snapshotWanted: expect.any(Boolean) });
    await berthClient.admit({ sessionId: 'c1', user: 'alice' });
    const mark = beat.kind === 'beat' ? beat.mark : '';
    const startedAt = new Date().toISOString();
    const sessions = [
      { id: 'c1', user: 'alice', startedAt },
      { id: 'c2', user: 'alice', startedAt },
    ];
    expect(await berthClient.snapshot('n', { epoch: 100, mark, sessions })).toMatchObject({
      kind: 'taken',
      complete: true,
      adopted: 1,
    });
    expect(await berthClient.commands('n')).toEqual({ commands: [], more: false });
    await berthClient.end('c1');
    expect(await berthClient.heartbeat('n', { epoch: 99 })).toEqual({ kind: 'stale-epoch', currentEpoch: 100 });
    expect(await berthClient.snapshot('n', { epoch: 99, mark, sessions })).toEqual({
      kind: 'stale-epoch',
      currentEpoch: 100,
    });
    expect(await berthClient.admit({ sessionId: 'c3', user: 'bob', epoch: 99 })).toMatchObject({
      kind: 'stale-epoch',
      mayStart: false,
      currentEpoch: 100,
    });
    await expect(berthClient.acknowledge('n', 'none', { result: 'done' })).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('throws what the caller did wrong, with the field', async () => {
    const error = await client()
      .admit({ user: 'alice', sourcePort: 70_000 })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ code: 'invalid-request', errors: [{ path: 'sourcePort' }] });
    expect(await live()).toEqual([]);
  });

  it.each([
    [{ gateways: [] }, /^gateways must name/],
    [{ gateways: 'localhost:8081' }, /^gateways must be http/],
    [{ onUnavailable: 'allow' }, /^ceiling must say/],
    [{ deadlineMs: 0 }, /^deadlineMs /],
  ])('refuses wrong options by name: %j', (options, message) => {
    expect(() => client(options as Partial<ClientOptions>)).toThrow(message);
  });

  it.each(['deaf', 'mute', 'closed', 'busy', 'foreign', 'slow'] as const)(
    'asks the other gateway while one is %s, and takes one slot alone',
    async (fault) => {
      const berthClient = client({ deadlineMs: 5_000 });
      const broken = await inUse(berthClient);
      broken.play(fault);
      for (const sessionId of ['c1', 'c2']) {
        const outcome = await berthClient.admit({ sessionId, user: 'alice' });
        expect(outcome).toMatchObject({ kind: 'admitted', session: { id: sessionId } });
      }
      expect(await live()).toEqual(['c1', 'c2']);
      expect(await berthClient.admit({ sessionId: 'c3', user: 'alice' })).toMatchObject({ kind: 'rejected' });
      for (const sessionId of ['c1', 'c2']) expect(await berthClient.end(sessionId)).toEqual({ kind: 'ended' });
      expect(await live()).toEqual([]);
    },
  );

  it('stays with the gateway that works, and leaves the bad one alone', async () => {
    const berthClient = client();
    const bad = await inUse(berthClient);
    bad.play('deaf');
    const before = bad.requests;
    for (let call = 0; call < 50; call += 1) await berthClient.get('none', { deadlineMs: 4_000 });
    expect(bad.requests - before).toBe(1);
    for (const front of fronts) front.play(front === bad ? 'none' : 'closed');
    expect(await berthClient.get('none')).toBeNull();
  });

  it('goes on over a new connection when the gateway closed the old one', async () => {
    const berthClient = client({ gateways: fronts[0].url });
    for (let round = 0; round < 20; round += 1) {
      await Promise.all([1, 2, 3].map(() => berthClient.get('none')));
      fronts[0].play('closed');
      fronts[0].play('none');
      expect(await berthClient.get('none')).toBeNull();
    }
  });

  it('says that no gateway answered, after its deadline, and gives back what was admitted unheard', async () => {
    const berthClient = client({ deadlineMs: 800 });
    for (const front of fronts) front.play('mute');
    const error = await berthClient.admit({ sessionId: 'c1', user: 'alice' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'unreachable', inDoubt: true, answered: false, sip: { code: 503 } });
    await eventually(async () => expect(await live()).toEqual(['c1']));
    expect(berthClient.undelivered).toBe(1);
    for (const front of fronts) front.play('none');
    await eventually(() => expect(berthClient.undelivered).toBe(0));
    expect(await live()).toEqual([]);
    expect(await berthClient.admit({ sessionId: 'c1', attempt: 1, user: 'alice' })).toMatchObject({ kind: 'ended' });
    expect(await berthClient.admit({ sessionId: 'c1', attempt: 2, user: 'alice' })).toMatchObject({ kind: 'admitted' });
  });

  it('says what gateways answered that cannot serve, with the time that they ask for, and lets nothing through', async () => {
    const berthClient = client({ deadlineMs: 600, onUnavailable: 'allow', ceiling: 10 });
    for (const front of fronts) front.play('busy');
    const error = await berthClient.admit({ sessionId: 'c1', user: 'alice' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'store-unavailable', answered: true, inDoubt: false, retryAfterMs: 1_000 });
    // Each was asked once: it wants to be left alone for a second.
    expect(fronts.map(({ requests }) => requests)).toEqual([1, 1]);
  });

  it('ends a call when its caller gives up, and gives back what it got', async () => {
    const berthClient = client();
    for (const front of fronts) front.play('mute');
    const signal = AbortSignal.timeout(300);
    const error = await berthClient
      .admit({ sessionId: 'c1', user: 'alice' }, { signal })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'cancelled', inDoubt: true });
    for (const front of fronts) front.play('none');
    await eventually(() => expect(berthClient.undelivered).toBe(0));
    expect(await live()).toEqual([]);
  });

  it('keeps the ends that no gateway can take, and delivers each', async () => {
    const berthClient = client({ deadlineMs: 600 });
    const ids = Array.from({ length: 40 }, (_, number) => `c${number}`);
    await Promise.all(
      ids.map((sessionId, number) => berthClient.admit({ sessionId, user: `u${number}` }, { deadlineMs: 10_000 })),
    );
    for (const front of fronts) front.play('closed');
    expect(await Promise.all(ids.map((id) => berthClient.end(id)))).toEqual(ids.map(() => ({ kind: 'kept' })));
    expect(await live()).toHaveLength(40);
    for (const front of fronts) front.play('none');
    await eventually(() => expect(berthClient.undelivered).toBe(0));
    expect(await live()).toEqual([]);
  });

  it('lets sessions through up to its ceiling while no gateway answers; those that still live come onto the books as overshoot', async () => {
    const berthClient = client({ deadlineMs: 600, onUnavailable: 'allow', ceiling: 3 });
    for (const sessionId of ['c1', 'c2']) await berthClient.admit({ sessionId, user: 'alice' }, { deadlineMs: 10_000 });
    for (const front of fronts) front.play('deaf');
    const ask = (sessionId: string) => berthClient.admit({ sessionId, user: 'alice' }).catch((error: unknown) => error);
    for (const sessionId of ['c3', 'c4', 'c5', 'c5']) {
      expect(await ask(sessionId)).toEqual({ kind: 'let-through', mayStart: true, sessionId });
    }
    expect(await ask('c6')).toMatchObject({ code: 'unreachable' });
    expect(await berthClient.end('c4')).toEqual({ kind: 'kept' });
    expect(await ask('c7')).toMatchObject({ kind: 'let-through' });
    for (const front of fronts) front.play('none');
    await eventually(() => expect(berthClient.undelivered).toBe(0));
    expect(await live()).toEqual(['c1', 'c2', 'c3', 'c5', 'c7']);
    const events = await books.xrange(keys.events, '-', '+');
    const overshot = events.filter(([, flat]) => flat.includes('overshoot'));
    expect(overshot.length).toBeGreaterThanOrEqual(3);
    for (const id of await live()) expect(await berthClient.end(id)).toEqual({ kind: 'ended' });
    expect(await live()).toEqual([]);
  });

  it('counts every session that is let through against the ceiling, however many ask at once', async () => {
    const port = await freePort();
    const berthClient = client({
      gateways: `http://127.0.0.1:${port}`,
      deadlineMs: 300,
      onUnavailable: 'allow',
      ceiling: 5,
    });
    const asked = Array.from({ length: 50 }, (_, number) =>
      berthClient.admit({ sessionId: `c${number}`, user: 'alice' }),
    );
    const kinds = (await Promise.allSettled(asked)).map((one) =>
      one.status === 'fulfilled' ? one.value.kind : one.reason.code,
    );
    expect(kinds.filter((kind) => kind === 'let-through')).toHaveLength(5);
    expect(kinds.filter((kind) => kind === 'unreachable')).toHaveLength(45);
    for (let number = 0; number < 50; number += 1) await berthClient.end(`c${number}`);
  });

  it('never passes the limit with 50 logins of one user at once, through faults that come and go', async () => {
    const several = Array.from({ length: 5 }, () => client());
    const faults = ['none', 'mute', 'closed', 'busy', 'deaf'] as const;
    let turn = 0;
    const storm = setInterval(() => {
      turn += 1;
      fronts[turn % 2]!.play(faults[turn % faults.length]!);
      fronts[(turn + 1) % 2]!.play('none');
    }, 50);
    const logins = Array.from({ length: 50 }, (_, number) =>
      several[number % 5]!.admit({ sessionId: `c${number}`, user: 'alice' }),
    );
    const outcomes = await Promise.all(logins);
    clearInterval(storm);
    for (const front of fronts) front.play('none');
    const admitted = outcomes.filter(({ kind }) => kind === 'admitted').map(({ sessionId }) => sessionId);
    await eventually(() => expect(several.map(({ undelivered }) => undelivered)).toEqual([0, 0, 0, 0, 0]));
    await eventually(async () => expect(await live()).toEqual(admitted.toSorted()));
    expect(admitted).toHaveLength(2);
  });
});
