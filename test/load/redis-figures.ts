import { setTimeout as delay } from 'node:timers/promises';

import type { Redis } from 'ioredis';

/** Time that Redis spent in scripts since the last CONFIG RESETSTAT: microseconds per call. */
export async function scriptMicroseconds(client: Redis): Promise<number> {
  const line = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await client.info('commandstats'));
  if (line === null) throw new Error('Redis has run no script');
  return Number(line[2]) / Number(line[1]);
}

/** What Redis has allocated, bytes, once it has stopped changing: tables grow in the background. */
export async function settledMemory(client: Redis): Promise<number> {
  const STEADY_READINGS = 5;
  let [last, same] = [await usedMemory(client), 0];
  for (let reading = 0; reading < 200 && same < STEADY_READINGS; reading++) {
    await delay(100);
    const now = await usedMemory(client);
    same = Math.abs(now - last) < 4096 ? same + 1 : 0;
    last = now;
  }
  return last;
}

async function usedMemory(client: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
}

/** What one key takes, with its name and its entry in the table of keys; 0 if there is none. Bytes. */
export async function memoryOf(client: Redis, key: string): Promise<number> {
  return Number(await client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'));
}
