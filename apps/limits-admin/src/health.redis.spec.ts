import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { eventually } from '#testing';

import { forEachTest } from './admin-suite.fixture.js';
import { type Admin } from './limits-admin.fixture.js';

let admin: Admin;
let client: Redis;

forEachTest(async (suite) => {
  ({ client } = suite);
  admin = await suite.start();
});

const ready = async () => {
  const reply = await admin.app.inject('/health/ready');
  return { status: reply.statusCode, body: reply.json<{ status: string; checks: Record<string, unknown> }>() };
};

describe('ready while nothing works, at limits-admin', () => {
  it('says that its Redis is a replica, in health and answers, is unready after five seconds, and recovers', async () => {
    expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } });
    await client.replicaof('127.0.0.1', 1);
    await eventually(async () => {
      expect(await ready()).toMatchObject({
        status: 200,
        body: { status: 'degraded', checks: { redis: { failing: [{ cause: expect.stringContaining('read-only') }] } } },
      });
    });
    await eventually(
      async () =>
        expect(await admin.call('PUT', '/limits', { max_sessions_per_user: 3 })).toMatchObject({
          status: 503,
          body: { code: 'store-unavailable', detail: expect.stringContaining('read-only replica') },
        }),
      { timeoutMs: 20_000 },
    );
    await eventually(async () => expect(await ready()).toMatchObject({ status: 503, body: { status: 'failed' } }), {
      timeoutMs: 20_000,
    });
    expect(JSON.stringify(await ready())).not.toContain('127.0.0.1');
    await client.replicaof('NO', 'ONE');
    await eventually(async () => expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } }), {
      timeoutMs: 20_000,
    });
  }, 60_000);
});
