import type { RedisClient } from './redis-client.js';

/** Milliseconds since 1970 by the clock of Redis, with three decimals. Rejects with what ioredis rejects with. */
export async function redisNow(client: RedisClient): Promise<number> {
  const [seconds, microseconds] = await client.time();
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}
