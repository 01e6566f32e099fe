import { existsSync } from 'node:fs';

import { expect, it } from '@jest/globals';

import { startRedis, type RedisServer } from './redis-server.js';
import { endedAfterEach } from './suites.js';
import { describeWith } from './tools.js';

describeWith(['redis-server'], 'startRedis', () => {
  const servers = endedAfterEach<RedisServer>((server) => server.stop());
  const start = async (...args: Parameters<typeof startRedis>) => {
    const server = await startRedis(...args);
    servers.push(server);
    return server;
  };

  it('gives each caller a server of its own', async () => {
    const started = await Promise.all([start(), start(), start()]);
    await Promise.all(started.map((server, index) => server.client().set('who', index)));
    expect(await Promise.all(started.map((server) => server.client().get('who')))).toEqual(['0', '1', '2']);
  });

  it('leaves no file and no process behind', async () => {
    const server = await startRedis();
    const [, dir = ''] = await server.client().config('GET', 'dir');
    expect(existsSync(dir)).toBe(true);
    await server.stop();
    expect(existsSync(dir)).toBe(false);
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
  });

  it('comes back empty after a kill, and its clients reconnect', async () => {
    const server = await start();
    const client = server.client();
    await client.set('k', 'v');
    await server.kill();
    await server.restart();
    expect(await client.get('k')).toBeNull();
  });

  it('keeps its data where persistence is asked for', async () => {
    const server = await start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    await server.client().set('k', 'v');
    await server.restart();
    expect(await server.client().get('k')).toBe('v');
  });

  it('answers nothing while it is paused', async () => {
    const server = await start();
    const client = server.client({ commandTimeout: 100 });
    await client.ping();
    server.pause();
    await expect(client.ping()).rejects.toThrow('timed out');
    server.resume();
    expect(await server.client().ping()).toBe('PONG');
  });

  it('fails at once on a fixed port that is taken', async () => {
    const { port } = await start();
    await expect(startRedis({ port })).rejects.toThrow('Address already in use');
  });
});
