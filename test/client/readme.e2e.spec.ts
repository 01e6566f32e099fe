import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { shardKeys } from '#session-core';
import {
  describeWith,
  eventually,
  freePort,
  startBerth,
  startProcess,
  startRedis,
  type Berth,
  type ManagedProcess,
  type RedisServer,
} from '#testing';

import { packClient, ROOT, type PackedClient } from './packed-client.js';

const MAX_LINES = 20;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);

let redis: RedisServer;
let berth: Berth;
let packed: PackedClient;
let server: ManagedProcess;
let port: number;

describeWith(['redis-server'], 'the server of the README', () => {
  beforeAll(async () => {
    packed = await packClient();
    redis = await startRedis();
    const configYaml = 'limits: { max_sessions_per_user: 2 }\nstore: { decision_deadline_ms: 2000 }\n';
    berth = await startBerth({ redisUrl: redis.url, apps: ['admission-gateway'], gateways: 2, configYaml });
    port = await freePort();
    await writeFile(join(packed.app, 'server.mjs'), await example());
    server = await startProcess(process.execPath, [join(packed.app, 'server.mjs')], {
      env: { PORT: String(port), GATEWAYS: berth.gateways.map(({ url }) => url).join(' ') },
    });
  });

  afterAll(async () => {
    await server?.stop();
    await berth?.stop();
    await redis?.stop();
    await packed?.remove();
  });

  async function example(): Promise<string> {
    const page = await readFile(join(ROOT, 'libs/client/README.md'), 'utf8');
    return /^```js\n([^]*?)^```$/m.exec(page)?.[1] ?? '';
  }

  async function login(user: string): Promise<{ socket: Socket; says: string }> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    socket.write(`${user}\n`);
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    return { socket, says: bytes.toString() };
  }

  it('has at most twenty lines', async () => {
    const lines = (await example()).split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThanOrEqual(MAX_LINES);
    expect(lines.length).toBeGreaterThan(0);
  });

  it('lets a user in twice, refuses the third, and the next after one has left', async () => {
    const first = await eventually(() => login('alice'));
    const second = await login('alice');
    expect([first.says, second.says]).toEqual(['welcome alice\n', 'welcome alice\n']);
    const third = await login('alice');
    expect(third.says).toBe('no: user-limit-exceeded\n');
    first.socket.destroy();
    await eventually(async () => expect(await redis.client().zcard(keys.deadlines)).toBe(1));
    const fourth = await login('alice');
    expect(fourth.says).toBe('welcome alice\n');
    for (const { socket } of [second, third, fourth]) socket.destroy();
    await eventually(async () => expect(await redis.client().zcard(keys.deadlines)).toBe(0));
  });
});
