import { expect, it } from '@jest/globals';

import { describeWith, startRedis } from '#testing';

import { redisNow } from './redis-now.js';

describeWith(['redis-server'], 'the clock of Redis', () => {
  it('is read finer than a millisecond, and goes on', async () => {
    const redis = await startRedis();
    try {
      const client = redis.client();
      const [seconds, microseconds] = (await client.time()).map(Number);
      const times = [seconds! * 1_000 + microseconds! / 1_000];
      for (let look = 0; look < 20; look += 1) times.push(await redisNow(client));
      expect(times).toEqual(times.toSorted((one, other) => one - other));
      expect(times.some((time) => !Number.isInteger(time))).toBe(true);
    } finally {
      await redis.stop();
    }
  });
});
