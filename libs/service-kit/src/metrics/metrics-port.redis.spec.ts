import { once } from 'node:events';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ConfigError, loadConfig, type BerthConfig } from '#config';
import { endedAfterEach, freePort, onRedis, type RedisServer } from '#testing';

import { createApp } from '../app/create-app.js';
import { newKey } from '../auth/authenticate.js';
import { createLogger } from '../logging/logger.js';
import { MetricsPort } from './metrics-port.js';

@Module({})
class EmptyModule {}

let redis: RedisServer;
const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());
const logged: string[] = [];
const KEY = newKey();

onRedis((on) => ({ redis } = on));

afterEach(() => {
  logged.length = 0;
});

async function start(env: Record<string, string>, more: Partial<BerthConfig> = {}) {
  const read = loadConfig({ env: { BERTH_REDIS_URL: redis.url, ...env }, cwd: '/' });
  const hash = KEY.hash.slice('sha256:'.length);
  const viewer = { id: 'v', hash, role: 'viewer', tenant: 'default', nodes: null, emergency: false } as const;
  const config = { ...read, auth: { keys: [viewer] }, ...more };
  const app = await createApp(EmptyModule, {
    config,
    logger: createLogger(config, 'empty', { write: (line) => logged.push(line) }),
  });
  apps.push(app);
  return { app, url: `http://127.0.0.1:${config.metricsPort}` };
}

async function listening(more: Partial<BerthConfig> = {}) {
  const started = await start({ BERTH_METRICS_PORT: String(await freePort()) }, more);
  await started.app.get(MetricsPort).listen();
  return started;
}

describe('metrics.port', () => {
  it('has /metrics without a key where keys are on, in the format of Prometheus', async () => {
    const { url } = await listening();
    const answer = await fetch(`${url}/metrics`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    expect(await answer.text()).toContain('process_cpu_seconds_total');
    expect((await fetch(`${url}/metrics`, { method: 'HEAD' })).status).toBe(200);
  });

  it('leaves /metrics among the other calls, with a key', async () => {
    const { app } = await listening();
    const status = async (headers = {}) => (await app.inject({ url: '/metrics', headers })).statusCode;
    expect([await status(), await status({ authorization: `Bearer ${KEY.key}` })]).toEqual([401, 200]);
  });

  it.each([
    ['GET', '/'],
    ['GET', '/health/ready'],
    ['GET', '/metrics/'],
    ['GET', '/v1/sessions/x'],
    ['POST', '/metrics'],
    ['DELETE', '/metrics'],
  ])('answers %s %s with 404 and a problem, and has nothing else', async (method, path) => {
    const { url } = await listening();
    const answer = await fetch(`${url}${path}`, { method });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json; charset=utf-8',
    ]);
    expect(await answer.json()).toMatchObject({ code: 'not-found', detail: 'This port has /metrics and nothing else' });
  });

  it.each([
    ['Expect: x', 417, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n'],
    ['CONNECT', 405, 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['no HTTP', 400, 'NONSENSE\r\n\r\n'],
    ['no Host', 421, 'GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['a broken path', 400, 'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
    ['too large headers', 431, `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('answers %s with %d and a problem', async (_name, status, request) => {
    const { url } = await listening();
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request));
    const answer = await text(socket);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*content-type: application/problem\\+json`, 'i'));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ status, detail: expect.any(String) });
  });

  it('is refused loudly where the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { app } = await start({ BERTH_METRICS_PORT: String(port) });
    const failure = await app
      .get(MetricsPort)
      .listen()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    const [problem] = (failure as ConfigError).problems;
    expect(problem).toContain(`metrics.port: 127.0.0.1:${port} is taken by another process`);
    expect(problem).toContain('Stop it, or set metrics.port, for this process alone BERTH_METRICS_PORT.');
    other.close();
  });

  it('is refused where it is the port of an app', () => {
    for (const [name, port] of Object.entries({ GATEWAY: 8081, ADMIN: 8080, REAPER: 8082, GRPC: 50_051 })) {
      expect(() => loadConfig({ env: { BERTH_METRICS_PORT: String(port) }, cwd: '/' })).toThrow(
        `BERTH_METRICS_PORT: found ${port}, which is BERTH_${name}_PORT; expected a port of its own`,
      );
    }
  });

  it('on loopback answers requests for loopback hosts alone, whether there are keys or not', async () => {
    const { url } = await listening();
    const status = async (host: string) => {
      const [answer] = (await once(getPlain(`${url}/metrics`, { headers: { host } }), 'response')) as [IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      return answer.statusCode;
    };
    expect(await Promise.all(['localhost', 'evil.example'].map(status))).toEqual([200, 421]);
  });

  it('on another address answers whatever the host, and warns of the names of users', async () => {
    const { url } = await listening({ host: '0.0.0.0' });
    const [answer] = (await once(
      getPlain(`${url}/metrics`, { headers: { host: 'pod.example:9464' } }),
      'response',
    )) as [IncomingMessage];
    answer.resume();
    await once(answer, 'end');
    expect(answer.statusCode).toBe(200);
    const warning = 'metrics.port answers without a key, with the names of users';
    expect(logged.filter((line) => line.includes(warning))).toHaveLength(1);
  });

  it('is closed with the process', async () => {
    const { url } = await listening();
    await apps.splice(0)[0]!.close();
    await expect(fetch(`${url}/metrics`)).rejects.toThrow();
  });

  it('is not there unless it is configured', async () => {
    const { app } = await start({});
    await app.get(MetricsPort).listen();
    expect(logged.filter((line) => line.includes('Serving metrics'))).toEqual([]);
  });
});
