import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { Audits, shardKeys } from '#session-core';

import { forEachTest, tenantsWith, type AdminSuite } from '../admin-suite.fixture.js';
import { type Admin, DEFAULT_TENANT, Fleet } from '../limits-admin.fixture.js';

const SHARD = 'berth:{default/0}:';

let admin: Admin;
let fleet: Fleet;
let log: string[];
let client: Redis;
let start: AdminSuite['start'];

forEachTest(async (suite) => {
  ({ client, fleet, log, start } = suite);
  const config = {
    metrics: { compat: 'none' as const, topUsers: 2 },
    // Of the log alone: labels have the names.
    logging: { level: 'info' as const, hashUsers: true, hashKey: 'x'.repeat(16) },
    tenants: tenantsWith({ acme: {} }),
  };
  admin = await start({ config });
});

/** The lines about the fleet, without comments. */
async function scrape(): Promise<string[]> {
  const { payload } = await admin.app.inject('/metrics');
  return payload.split('\n').filter((line) => /^(active_sessions|berth_sessions)/.test(line));
}

it('says what is on the books: the whole, each tenant, the users with the most', async () => {
  await fleet.admitAll('alice', 3);
  await fleet.admitAll('bob', 2);
  await fleet.admit('carol');
  await new Fleet(client, { name: 'acme', shards: 1 }).admit('alice');
  expect(await scrape()).toEqual([
    'active_sessions_total 7',
    'berth_sessions_active{tenant="default"} 6',
    'berth_sessions_active{tenant="acme"} 1',
    'active_sessions_per_user{username="alice"} 3',
    'active_sessions_per_user{username="bob"} 2',
    'active_sessions_per_user{username="alice",tenant="acme"} 1',
  ]);
});

it('forgets users whose sessions have ended', async () => {
  await fleet.admit('alice', 'a1');
  expect(await scrape()).toContain('active_sessions_per_user{username="alice"} 1');
  await fleet.store.end(DEFAULT_TENANT, { sessionId: 'a1' }, { reason: 'completed', by: 'node' });
  expect(await scrape()).toEqual([
    'active_sessions_total 0',
    'berth_sessions_active{tenant="default"} 0',
    'berth_sessions_active{tenant="acme"} 0',
  ]);
});

it('answers scrapes at the same moment alike', async () => {
  await fleet.admitAll('alice', 2);
  const scrapes = await Promise.all([scrape(), scrape(), scrape()]);
  expect(new Set(scrapes.map((lines) => lines.join('\n'))).size).toBe(1);
});

it('keeps hostile names inside their label', async () => {
  await fleet.admit('a"} 99\nactive_sessions_total 1 \\');
  expect(await scrape()).toContain('active_sessions_per_user{username="a\\"} 99\\nactive_sessions_total 1 \\\\"} 1');
});

it('says how far indices and records differed at the last audit, on every replica alike', async () => {
  const drift = async (of: Admin) =>
    (await of.app.inject('/metrics')).payload.split('\n').find((line) => line.startsWith('berth_drift_sessions'));
  expect(await drift(admin)).toBe('berth_drift_sessions 0');
  await fleet.admitAll('alice', 3);
  const keys = shardKeys(DEFAULT_TENANT, 0);
  const [one, two] = await client.zrange(keys.userSessions('alice'), '0', '-1');
  await client.del(keys.session(one ?? ''), keys.session(two ?? ''));
  const audits = new Audits({ client, deadlineMs: 5_000 });
  while ((await audits.piece(DEFAULT_TENANT, 0, { pieceMs: 1, restMs: 0 })).kind !== 'done');
  expect(await drift(admin)).toBe('berth_drift_sessions 2');
  const other = await start();
  expect(await drift(other)).toBe('berth_drift_sessions 2');
  await other.close();
});

describe('ready while nothing works: a key of a foreign type', () => {
  it('takes away the metrics that are read from it, and no other', async () => {
    await fleet.admit('alice');
    await new Fleet(client, { name: 'acme', shards: 1 }).admit('bob');
    const whole = async () => {
      const { statusCode, payload } = await admin.app.inject('/metrics');
      expect(statusCode).toBe(200);
      const lines = payload.split('\n').filter((line) => /^(active_|berth_)/.test(line));
      return lines.filter((line) => !line.startsWith('berth_metric_read_failures_total'));
    };
    const before = await whole();
    const keys = {
      [`${SHARD}deadlines`]: ['active_sessions_total', 'berth_sessions_active{tenant="default"}'],
      [`${SHARD}users`]: ['active_sessions_per_user{username="alice"}'],
      [`${SHARD}commanded`]: ['berth_commands_unacknowledged'],
      'berth:{default}:heartbeats': ['berth_nodes{tenant="default"'],
      'berth:{default}:fuses': ['berth_fuses_tripped{tenant="default"}'],
      [`${SHARD}audit`]: ['berth_drift_sessions '],
      'berth:{inbox/0}:events': ['berth_stream_lag{group="reaper"}'],
      'berth:{inbox/0}:dead_letters': ['berth_dead_letters '],
    };
    for (const [key, absent] of Object.entries(keys)) {
      const kept = await client.dumpBuffer(key);
      await client.set(key, 'foreign');
      const now = await whole();
      await client.del(key);
      if (kept !== null) await client.restore(key, 0, kept);
      const expected = before.filter((line) => !absent.some((name) => line.startsWith(name)));
      expect([key, now]).toEqual([key, expected]);
    }
    expect(await whole()).toEqual(before);
  });

  it('is named in the log, once a minute, and the metric is counted at each scrape', async () => {
    const warned = () =>
      log
        .map((line) => JSON.parse(line) as { level: string; metric?: string; tenant?: string; key?: string })
        .filter(({ level }) => level !== 'info')
        .map(({ level, metric, tenant, key }) => [level, metric, tenant, key]);
    const foreign: [key: string, metric: string, tenant?: string][] = [
      [`${SHARD}deadlines`, 'berth_sessions_active', 'default'],
      ['berth:{acme/0}:users', 'active_sessions_per_user', 'acme'],
      ['berth:{default}:heartbeats', 'berth_nodes', 'default'],
      ['berth:{default}:fuses', 'berth_fuses_tripped', 'default'],
      ['berth:{inbox/0}:events', 'berth_stream_lag'],
      ['berth:{inbox/0}:dead_letters', 'berth_dead_letters'],
      [`${SHARD}commanded`, 'berth_commands_unacknowledged'],
    ];
    for (const [key] of foreign) await client.set(key, 'foreign');
    await scrape();
    await scrape();
    const expected = foreign.map(([key, metric, tenant]) => ['warn', metric, tenant, key]);
    expect(warned()).toHaveLength(expected.length);
    expect(warned()).toEqual(expect.arrayContaining(expected));
    const { payload } = await admin.app.inject('/metrics');
    for (const [, metric] of foreign) {
      expect(payload).toMatch(new RegExp(`^berth_metric_read_failures_total\\{metric="${metric}"\\} [23]$`, 'm'));
    }
  });

  it('whose content is not what Berth wrote takes no more away than one of a foreign type', async () => {
    await client.hset('berth:{default}:fuses', 'nodes', 'not JSON');
    expect(await scrape()).toEqual([
      'active_sessions_total 0',
      'berth_sessions_active{tenant="default"} 0',
      'berth_sessions_active{tenant="acme"} 0',
    ]);
    expect(log.join('')).toContain('berth_fuses_tripped');
  });
});
