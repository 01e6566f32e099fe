import { setTimeout as delay } from 'node:timers/promises';

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

const end = async (id: string) => {
  const response = await fetch(`${berth.app('admission-gateway').url}/v1/sessions/${id}`, { method: 'DELETE' });
  await response.arrayBuffer();
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

/** As many calls a second, each of 8 KB: the outbox grows by 2.9 MB a second. */
const PER_SECOND = 350;
const SECONDS = 15;
/** How full Redis is of other things: what is left takes less than 5 s of it, the last tenth more than 3 s. */
const ROOMY = 96_000_000;
const OCCUPIED = 0.87;

describeWith(['redis-server'], 'calls that say much, near the maxmemory of Redis', () => {
  it('are never 503 while history reads: the outbox is trimmed in time', async () => {
    await client.flushall();
    await client.config('SET', 'maxmemory', ROOMY);
    // History has to notice that its place in the stream is gone, and to read again.
    expect(await admit({ sessionId: 'first', user: 'ann' })).toBe(201);
    await eventually(async () => {
      const [group] = (await client.xinfo('GROUPS', keys.events)) as unknown[][];
      expect([group?.[group.indexOf('lag') + 1], group?.[group.indexOf('pending') + 1]]).toEqual([0, 0]);
    });
    await client.setrange('ballast', Math.floor(OCCUPIED * ROOMY - (await usedMemory())), 'x');
    const padding = { to: `sip:${'t'.repeat(3_900)}@example.com`, metadata: { a: 'm'.repeat(3_900) } };
    const statuses: number[] = [];
    const startedAt = performance.now();
    const call = async (i: number) => {
      await delay(Math.max(0, startedAt + (i * 1_000) / PER_SECOND - performance.now()));
      statuses.push(await admit({ sessionId: `large-${i}`, user: `user-${i}`, ...padding }));
      await end(`large-${i}`);
    };
    const numbers = Array.from({ length: PER_SECOND * SECONDS }, (_, i) => i).values();
    const caller = async () => {
      for (const i of numbers) await call(i);
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    expect(statuses.filter((status) => status !== 201)).toEqual([]);
    expect(statuses).toHaveLength(PER_SECOND * SECONDS);
  }, 120_000);
});
