import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { CommandsStore } from '#session-core';
import { eventually, type RedisServer } from '#testing';

import { forEachTest, tenantsWith } from '../admin-suite.fixture.js';
import { Fleet, type Admin } from '../limits-admin.fixture.js';

const ACME = { name: 'acme', shards: 3 };
const DEFAULT = { name: 'default', shards: 1 };

let replicas: Admin[];
let fleet: Fleet;
let client: Redis;
let redis: RedisServer;

forEachTest(async (suite) => {
  ({ client, fleet, redis } = suite);
  const config = { tenants: tenantsWith({ acme: ACME }) };
  replicas = [await suite.start({ config }), await suite.start({ config })];
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
  const acme = new Fleet(client, ACME);
  const killed = { reason: 'killed', by: 'berth' } as const;
  for (const user of ['alice', 'bob', 'carol', 'dave']) {
    await acme.admit(user, `of-${user}`);
    await acme.store.end(ACME, { sessionId: `of-${user}`, user }, killed);
  }
  await fleet.admit('erin', 'call');
  await fleet.store.end(DEFAULT, { sessionId: 'call' }, killed);
  expect(await gauges()).toEqual([5, 5]);

  const commands = new CommandsStore({ client: client, deadlineMs: 60_000, tombstoneMs: 60_000 });
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
