import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually, startProcess, startRedis, type ManagedProcess, type RedisServer } from '#testing';

const FIXTURE = join(import.meta.dirname, 'run-app.fixture.mjs');

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

const started: ManagedProcess[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((app) => app.kill()));
});

afterAll(async () => {
  await redis?.stop();
});

async function start(env: Record<string, string> = {}): Promise<ManagedProcess> {
  const app = await startProcess(process.execPath, [FIXTURE], {
    cwd: join(import.meta.dirname, '..'),
    env: { BERTH_REDIS_URL: redis.url, BERTH_GATEWAY_PORT: '0', ...env },
    ready: { line: /"Listening"/ },
  });
  started.push(app);
  return app;
}

/** The failure of a start that must not succeed. */
const failureOf = (env: Record<string, string>) =>
  start(env).then(
    () => Promise.reject(new Error('it started')),
    (error: Error) => error.message,
  );

function lines(app: ManagedProcess): Record<string, unknown>[] {
  const written = app.output().split('\n');
  return written.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

const urlOf = (app: ManagedProcess) => String(lines(app).find(({ message }) => message === 'Listening')?.['url']);
const messages = (app: ManagedProcess) => lines(app).map(({ message }) => message);

describe('a process', () => {
  it('stops on SIGTERM: finishes what is in flight, takes nothing new, destroys modules while Redis is there, exits with 0', async () => {
    const app = await start();
    const agent = new Agent({ keepAlive: true });
    const request = get(`${urlOf(app)}/test/slow`, { agent });
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    await eventually(() => app.output().includes('slow request has begun'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Stopping'));
    await expect(fetch(`${urlOf(app)}/health/live`)).rejects.toThrow();
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    response.resume();
    expect(await app.exited).toEqual({ code: 0, signal: null });
    expect(messages(app).slice(-3)).toEqual(['Stopping', 'Module destroyed', 'Stopped']);
    expect(lines(app)).toContainEqual(expect.objectContaining({ message: 'Module destroyed', redis: 'PONG' }));
    agent.destroy();
  });

  it('stops at once on a second signal', async () => {
    const app = await start();
    const request = get(`${urlOf(app)}/test/stuck`);
    const broken = once(request, 'error');
    await eventually(() => app.output().includes('stuck request has begun'));
    app.signal('SIGTERM');
    await eventually(() => messages(app).includes('Stopping'));
    // A signal right after the first is the same one, passed on; the one that counts comes later.
    await eventually(() => {
      app.signal('SIGINT');
      return !app.running;
    });
    expect(await app.exited).toEqual({ code: 1, signal: null });
    await broken;
  });

  it('starts without Redis, is not ready, and becomes ready when Redis comes', async () => {
    const late = await startRedis();
    await late.kill();
    const app = await start({ BERTH_REDIS_URL: late.url });
    try {
      const ready = () => fetch(`${urlOf(app)}/health/ready`);
      expect((await ready()).status).toBe(503);
      expect((await fetch(`${urlOf(app)}/health/live`)).status).toBe(200);
      await late.restart();
      await eventually(async () => (await ready()).status === 200);
      await eventually(() => messages(app).includes('Redis connection restored'));
      expect(messages(app).filter((message) => message === 'Redis connection lost')).toHaveLength(1);
    } finally {
      await app.stop();
      await late.stop();
    }
  });
});

describe('a start that fails', () => {
  it('lists what is wrong with the configuration', async () => {
    const message = await failureOf({ BERTH_LOG_LEVEL: 'loud', MAX_SESSIONS_PER_USER: 'x' });
    expect(message).toContain(
      'test-app: Configuration refused (environment):\n  BERTH_LOG_LEVEL: found "loud", expected',
    );
    expect(message).toContain('\n  MAX_SESSIONS_PER_USER: found "x", expected');
  });

  it('refuses to serve the network without keys', async () => {
    expect(await failureOf({ BERTH_HOST: '0.0.0.0' })).toContain(
      'BERTH_HOST: found "0.0.0.0", expected a loopback address',
    );
  });

  it('says that the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const message = await failureOf({ BERTH_GATEWAY_PORT: String(port) });
    expect(message).toContain(`test-app: cannot start: 127.0.0.1:${port} is taken by another process`);
    other.close();
  });
});
