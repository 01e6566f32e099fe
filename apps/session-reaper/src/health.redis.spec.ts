import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { createApp, createLogger, operationsOfApp } from '#service-kit';
import { shardKeys } from '#session-core';
import { eventually, startRedis, type RedisServer } from '#testing';

import { AnswerWatch } from '../../../libs/service-kit/test/answer-watch.js';
import { AppModule } from './app.module.js';

const SOON = { timeoutMs: 20_000 };

const answers = new AnswerWatch(AppModule);
afterAll(() => answers.assertDeclared());

let redis: RedisServer;
let app: NestFastifyApplication;
let log: { message: string; cause?: string }[];

beforeEach(async () => {
  redis = await startRedis();
  const config = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
  log = [];
  const write = (line: string) => void log.push(JSON.parse(line) as { message: string });
  app = await createApp(answers.app, { config, logger: createLogger(config, 'session-reaper', { write }) });
});
afterEach(async () => {
  await app?.close();
  await redis?.stop();
});

const ready = async () => {
  const reply = await app.inject('/health/ready');
  return { status: reply.statusCode, body: reply.json<{ status: string }>() };
};
const failingWith = (cause: string) => ({
  checks: { redis: { failing: [{ cause: expect.stringContaining(cause) }] } },
});

it('every route of the reaper is an operation, open or by a right, and answers what that declares', async () => {
  const operations = operationsOfApp(AppModule);
  expect([...answers.routes].toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted());
  expect(operations.map(({ path, right }) => [path, right])).toEqual([
    ['/health/live', 'open'],
    ['/health/ready', 'open'],
    ['/metrics', 'metrics.read'],
  ]);
  for (const { path } of operations) expect([path, (await app.inject(path)).statusCode]).toEqual([path, 200]);
});

describe('ready while nothing works, at the reaper', () => {
  it('says that its Redis is a replica, in health and log, is unready after five seconds, and recovers', async () => {
    expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } });
    await redis.client().replicaof('127.0.0.1', 1);
    await eventually(async () => expect(await ready()).toMatchObject({ status: 200, body: failingWith('read-only') }));
    await eventually(
      async () => expect(await ready()).toMatchObject({ status: 503, body: { status: 'failed' } }),
      SOON,
    );
    const causes = log.flatMap(({ message, cause }) => (message === 'Decisions fail' ? [cause] : []));
    expect(causes.join()).toContain('read-only replica');
    await redis.client().replicaof('NO', 'ONE');
    await eventually(async () => expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } }), SOON);
  }, 60_000);

  it('is degraded for a key of a foreign type', async () => {
    const { claims } = shardKeys({ name: 'default', shards: 1 }, 0);
    await eventually(async () => {
      // Again and again: an audit of the books may take it away.
      await redis.client().set(claims, 'foreign');
      expect(await ready()).toMatchObject({ status: 200, body: failingWith('foreign type') });
    });
  });
});
