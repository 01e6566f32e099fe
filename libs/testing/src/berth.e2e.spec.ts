import { afterEach, expect, it } from '@jest/globals';

import { startBerth, type Berth } from './berth.js';
import { startRedis, type RedisServer } from './redis-server.js';
import { describeWith } from './tools.js';

describeWith(['redis-server'], 'startBerth', () => {
  let redis: RedisServer | undefined;
  let berth: Berth | undefined;

  afterEach(async () => {
    await berth?.stop();
    await redis?.stop();
  });

  it('starts what was asked for, each at an address of its own, and stops it', async () => {
    redis = await startRedis();
    berth = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway', 'limits-admin'], gateways: 2 });
    expect(berth.apps.map(({ name }) => name)).toEqual(['admission-gateway', 'admission-gateway', 'limits-admin']);
    const answers = await Promise.all(berth.apps.map(({ url }) => fetch(`${url}/health/live`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(() => berth?.app('session-reaper')).toThrow('session-reaper was not started');

    await berth.stop();
    for (const { process: app } of berth.apps) expect(await app.exited).toEqual({ code: 0, signal: null });
  });

  it('stops what did start when another does not', async () => {
    redis = await startRedis();
    const start = startBerth({ redisUrl: redis.url, apps: ['admission-gateway'], configYaml: 'limits: 7\n' });
    await expect(start).rejects.toThrow(/ended before it was ready[^]*limits/);
  });
});
