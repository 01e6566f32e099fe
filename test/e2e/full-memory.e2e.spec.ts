import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';
import { describeWith, eventually, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

const keys = shardKeys({ name: 'default', shards: 1 }, 0);
const MAX_MEMORY = 64_000_000;
/** More than twice what Redis may use, if each session stayed as it was. */
const FLOOD = 12_000;
const CALLERS = 32;

let redis: RedisServer;
let client: Redis;
let berth: Berth;

beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory', String(MAX_MEMORY)] });
  client = redis.client();
  berth = await startBerth({ redisUrl: redis.url, configYaml: 'store: { decision_deadline_ms: 2000 }\n' });
});
afterAll(async () => {
  await berth?.stop();
  await redis?.stop();
});

const admit = async (session: object) => {
  const response = await fetch(`${berth.app('admission-gateway').url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(session),
  });
  await response.arrayBuffer();
  return response.status;
};

const usedMemory = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);

describeWith(['redis-server'], 'one key that fills Redis with short sessions as large as they may be', () => {
  it('leaves room for the calls of everybody else', async () => {
    const padding = { to: `sip:${'t'.repeat(3_900)}@example.com`, metadata: { a: 'm'.repeat(3_900) } };
    const ids = Array.from({ length: FLOOD }, (_, i) => `flood-${i}`).values();
    let admitted = 0;
    const caller = async () => {
      for (const sessionId of ids) {
        const large = { sessionId, protocol: 'web', node: 'attacker', ttlSeconds: 1, ...padding };
        // A place in a full Redis is asked for again, as an attacker would.
        await eventually(async () => expect(await admit(large)).toBe(201), { timeoutMs: 60_000 });
        admitted += 1;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    expect(admitted).toBe(FLOOD);

    await eventually(async () => expect(await client.zcard(keys.deadlines)).toBe(0), { timeoutMs: 60_000 });
    await eventually(async () => expect(await usedMemory()).toBeLessThan(0.9 * MAX_MEMORY), { timeoutMs: 60_000 });
    const statuses = await Promise.all(
      Array.from({ length: 5 }, (_, i) => admit({ sessionId: `call-${i}`, user: 'ann' })),
    );
    expect(statuses).toEqual([201, 201, 201, 201, 201]);
    // Each has ended a second after its start, and is remembered for a day with its command.
    expect(await client.hlen(keys.commands('attacker'))).toBe(FLOOD);
    expect(await client.strlen(keys.session('flood-0'))).toBeLessThanOrEqual(300);
  }, 300_000);
});
