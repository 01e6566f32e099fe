import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { describeWith, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { NEEDED, python } from './b2bua-scripts.js';
import { startKamailio, type Kamailio } from './kamailio.js';
import { startCallee, type Callee } from './sipp.js';

describeWith([...NEEDED, 'kamailio', 'sipp'], 'the stress of the B2BUA scripts', () => {
  let redis: RedisServer;
  let berth: Berth;
  let kamailio: Kamailio;
  let callee: Callee;

  beforeAll(async () => {
    redis = await startRedis();
    berth = await startBerth({ redisUrl: redis.url, configYaml: 'limits: { max_sessions_per_user: 5 }' });
    const { url } = berth.app('admission-gateway');
    kamailio = await startKamailio({ berthUrls: [url, url] });
    callee = await startCallee('callee', kamailio.calleePort);
  });
  afterAll(async () => {
    await callee?.stop();
    await kamailio?.stop();
    await berth?.stop();
    await redis?.stop();
  });

  it('holds over SIP too', async () => {
    const words = [
      'test_session_limits_stress.py',
      '--users',
      '2',
      '--calls',
      '12',
      '--sip',
      `127.0.0.1:${kamailio.port}`,
    ];
    const { code, stdout, stderr } = await python(berth, words);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('  ok   over SIP 5 of 12 calls are answered\n  ok   the others are busy (486)\n');
  });
});
