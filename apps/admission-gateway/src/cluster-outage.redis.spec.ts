import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { shardKeys } from '#session-core';
import { eventually, startRedisCluster, type RedisCluster, type RedisServer } from '#testing';

import { startGateway, stopGateways } from './gateway.fixture.js';

const TENANT = { name: 'default', shards: 3 };
const CONFIG = 'store: { decision_deadline_ms: 250 }\ntenants: { default: { shards: 3 } }\n';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ masters: 3, replicas: 1 });
}, 60_000);
afterAll(async () => {
  await stopGateways();
  await cluster?.stop();
});

describe('an outage inside a cluster', () => {
  it('is in the log of the gateway: when decisions of a shard begin to fail, with the cause, and when they work again', async () => {
    const gateway = await startGateway({ url: cluster.url } as RedisServer, { configYaml: CONFIG });
    const logged = (message: string) => gateway.log.filter((line) => line['message'] === message);
    const callers = new AbortController();
    let call = 0;
    const calling = (async () => {
      while (!callers.signal.aborted) await gateway.admit({ user: `user-${(call += 1)}` });
    })();
    await eventually(() => call > 50);
    expect(logged('Decisions fail')).toEqual([]);

    await cluster.failover(await cluster.slotOf(shardKeys(TENANT, 1).deadlines));

    await eventually(
      () => expect(logged('Decisions work again').flatMap(({ shards }) => shards)).toContain('default/1'),
      {
        timeoutMs: 30_000,
      },
    );
    callers.abort();
    await calling;
    const failing = logged('Decisions fail').filter(({ shards }) => (shards as string[]).includes('default/1'));
    expect(failing[0]).toMatchObject({ level: 'warn', cause: expect.stringMatching(/Redis/) });
    // At most one line a second: the times between them, as they are written.
    const times = [...logged('Decisions fail'), ...logged('Decisions work again')]
      .map(({ timestamp }) => Date.parse(String(timestamp)))
      .toSorted((a, b) => a - b);
    for (const [i, time] of times.entries()) if (i > 0) expect(time - (times[i - 1] ?? 0)).toBeGreaterThan(900);
    await eventually(async () => expect((await gateway.get('/health/ready')).body['status']).toBe('ok'), {
      timeoutMs: 30_000,
    });
  }, 120_000);
});
