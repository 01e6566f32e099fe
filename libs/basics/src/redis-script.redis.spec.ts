import { expect, it } from '@jest/globals';

import { describeWith, onRedis, type OnRedis } from '#testing';

import { RedisScript } from './redis-script.js';

const GREETING = "return {'hello ' .. KEYS[1], ARGV[1]}";

describeWith(['redis-server'], 'a script', () => {
  let client: OnRedis['client'];

  onRedis((on) => ({ client } = on));

  it('is loaded with its first use, and again after the server has forgotten it', async () => {
    const script = new RedisScript(GREETING);
    const isLoaded = async () => (await client.script('EXISTS', script.sha)) as number[];
    for (let use = 0; use < 2; use += 1) {
      await client.script('FLUSH');
      expect(await script.run(client, ['key'], [1])).toEqual([Buffer.from('hello key'), Buffer.from('1')]);
      expect(await isLoaded()).toEqual([1]);
    }
  });

  it('replies with bytes or with text', async () => {
    const script = new RedisScript(GREETING);
    const bytes = Buffer.from([0xff, 0x00]);
    expect(await script.run(client, ['key'], [bytes])).toEqual([Buffer.from('hello key'), bytes]);
    expect(await script.runForText(client, ['key'], ['é'])).toEqual(['hello key', 'é']);
  });

  it('that fails runs once, and rejects with its failure', async () => {
    const script = new RedisScript("redis.call('INCR', KEYS[1]) return redis.error_reply('NOPE ' .. ARGV[1])");
    await expect(script.run(client, ['runs'], [1])).rejects.toThrow('NOPE 1');
    await expect(script.runForText(client, ['runs'], [2])).rejects.toThrow('NOPE 2');
    expect(await client.get('runs')).toBe('2');
  });
});
