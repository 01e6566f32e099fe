import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';

import { describeWith, eventually, startRedis, type RedisServer } from '#testing';

import { startGateway, stopGateways, type Gateway } from './gateway.js';

describeWith(['redis-server'], 'nodes over HTTP', () => {
  let redis: RedisServer;
  let gateway: Gateway;

  beforeAll(async () => {
    redis = await startRedis();
  });

  beforeEach(async () => {
    await redis.client().flushall();
    gateway = await startGateway(redis);
  });

  afterEach(stopGateways);

  afterAll(async () => {
    await redis?.stop();
  });

  it('a beat is answered with how often to beat, and the mark for a snapshot', async () => {
    const { status, body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5, activeSessions: 3 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ leaseSeconds: 15, beatSeconds: 5, snapshotWanted: true });
    expect(new Date(Number(body['mark'])).toISOString()).toBe(body['now']);
  });

  it('a beat of an older run is refused with the present one', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const { status, body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 4 });
    expect([status, body['code'], body['currentEpoch']]).toEqual([409, 'stale-epoch', 5]);
  });

  it('an admission for an older run is refused, for a newer one it ends what the older held', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const session = { user: 'alice', node: 'b2bua-1' };
    expect((await gateway.admit({ ...session, epoch: 5 })).status).toBe(201);
    const stale = await gateway.admit({ ...session, epoch: 4 });
    expect([stale.status, stale.body['code'], stale.body['currentEpoch']]).toEqual([409, 'stale-epoch', 5]);
    const check = await gateway.post('/v1/sessions:check', { ...session, sessionId: 'x', epoch: 4 });
    expect(check.body).toMatchObject({ code: 'stale-epoch', currentEpoch: 5 });
    expect((await gateway.admit({ ...session, epoch: 6 })).status).toBe(201);
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 6 });
    expect((await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 })).body).toMatchObject({ currentEpoch: 6 });
    expect(await gateway.metric('berth_admissions_total{decision="stale-epoch",reason="stale-epoch"}')).toBe(1);
  });

  it('names with a percent escape are decoded once', async () => {
    await gateway.post(`/v1/nodes/${encodeURIComponent('a/b %41')}/heartbeat`, { epoch: 5 });
    expect(await redis.client().zrange('berth:{default}:heartbeats', '0', '-1')).toEqual(['a/b %41']);
  });

  it.each([
    [{}, 'epoch'],
    [{ epoch: '5' }, 'epoch'],
    [{ epoch: 0 }, 'epoch'],
    [{ epoch: 1.5 }, 'epoch'],
    [{ epoch: 5, activeSessions: -1 }, 'activeSessions'],
  ])('a beat with %j is refused with the path %s', async (body, path) => {
    const answer = await gateway.post('/v1/nodes/b2bua-1/heartbeat', body);
    expect([answer.status, (answer.body['errors'] as { path: string }[])[0]?.path]).toEqual([400, path]);
  });

  it('a name that is too long is refused, and a field that nobody knows is named', async () => {
    expect((await gateway.post(`/v1/nodes/${'n'.repeat(129)}/heartbeat`, { epoch: 5 })).status).toBe(400);
    const { body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5, load: 3 });
    expect(body['warnings']).toEqual(['load: unknown field, ignored']);
  });

  it('says of itself that beats can arrive', async () => {
    await eventually(async () => expect(await redis.client().hget('berth:{default}:watch', 'open_at')).not.toBeNull());
    await eventually(async () => expect(await redis.client().hget('berth:{default/0}:pulse', 'at')).not.toBeNull());
  });
});
