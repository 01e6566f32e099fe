import { afterEach, beforeEach, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { CommandsStore } from '#session-core';
import { eventually, startRedis, type RedisServer } from '#testing';

import { Fleet, startAdmin, type Admin } from '../limits-admin.fixture.js';

const ACME = { name: 'acme', shards: 3 };
const DEFAULT = { name: 'default', shards: 1 };

let redis: RedisServer;
let replicas: Admin[];
let fleet: Fleet;

beforeEach(async () => {
  redis = await startRedis();
  fleet = new Fleet(redis.client());
  const { tenants } = loadConfig({ env: {}, cwd: '/' });
  const tenant = tenants.default;
  const config = { tenants: { default: tenant, acme: { ...tenant, ...ACME } } };
  replicas = [await startAdmin(redis.url, { config }), await startAdmin(redis.url, { config })];
});

afterEach(async () => {
  await Promise.all(replicas.map((admin) => admin.close()));
  await redis.stop();
});

/** What each replica says; null where it says nothing. */
async function gauges(): Promise<(number | null)[]> {
  return await Promise.all(
    replicas.map(async ({ app }) => {
      const { payload } = await app.inject('/metrics');
      const value = /^berth_commands_unacknowledged (\d+)$/m.exec(payload)?.[1];
      return value === undefined ? null : Number(value);
    }),
  );
}

it('says of the whole fleet what is not acknowledged, the same from every replica', async () => {
  expect(await gauges()).toEqual([0, 0]);
  const acme = new Fleet(redis.client(), ACME);
  const killed = { reason: 'killed', by: 'berth' } as const;
  for (const user of ['alice', 'bob', 'carol', 'dave']) {
    await acme.admit(user, `of-${user}`);
    await acme.store.end(ACME, { sessionId: `of-${user}`, user }, killed);
  }
  await fleet.admit('erin', 'call');
  await fleet.store.end(DEFAULT, { sessionId: 'call' }, killed);
  expect(await gauges()).toEqual([5, 5]);

  const commands = new CommandsStore({ client: redis.client(), deadlineMs: 60_000, tombstoneMs: 60_000 });
  const { commands: waiting } = await commands.oldest(ACME, 'b2bua-1', 10);
  await commands.acknowledge(ACME, 'b2bua-1', waiting[0]?.commandId ?? '');
  expect(await gauges()).toEqual([4, 4]);
});

it('says nothing while Redis is away', async () => {
  await redis.kill();
  expect(await gauges()).toEqual([null, null]);
  await redis.restart();
  await eventually(async () => expect(await gauges()).toEqual([0, 0]));
});
