import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { shardKeys } from '#session-core';
import { startRedis, type RedisServer } from '#testing';

import { startGateway, stopGateways } from '../gateway.fixture.js';

const KEYS = shardKeys({ name: 'default', shards: 1 }, 0);

describe('a session whose record is gone or cannot be decoded', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(stopGateways);
  afterAll(async () => {
    await redis?.stop();
  });

  it('with the limit 1: the next call is admitted where the record is gone', async () => {
    const gateway = await startGateway(redis, { configYaml: 'limits: { max_sessions_per_user: 1 }' });
    expect((await gateway.admit({ sessionId: 'a', user: 'alice' })).status).toBe(201);
    expect((await gateway.admit({ sessionId: 'b', user: 'alice' })).status).toBe(429);
    await redis.client().del(KEYS.session('a'));
    expect((await gateway.admit({ sessionId: 'b', user: 'alice' })).status).toBe(201);
  });

  it('is shown as unreadable, is unknown to activity, and ends like any other', async () => {
    const gateway = await startGateway(redis, { configYaml: 'limits: { max_sessions_per_user: 1 }' });
    expect((await gateway.admit({ sessionId: 'c', user: 'carol' })).status).toBe(201);
    await redis.client().set(KEYS.session('c'), 'garbage');
    const call = async (method: 'GET' | 'POST' | 'DELETE', url: string) =>
      await gateway.app.inject({ method, url, headers: { host: 'localhost' } });
    const shown = await call('GET', '/v1/sessions/c');
    expect([shown.statusCode, shown.json()]).toEqual([
      200,
      expect.objectContaining({ id: 'c', state: 'unreadable', startedAt: null }),
    ]);
    expect((await call('POST', '/v1/sessions/c/activity')).statusCode).toBe(404);
    expect((await gateway.admit({ sessionId: 'c', user: 'carol' })).status).toBe(409);
    expect((await call('DELETE', '/v1/sessions/c')).statusCode).toBe(204);
    expect((await gateway.admit({ sessionId: 'd', user: 'carol' })).status).toBe(201);
  });
});
