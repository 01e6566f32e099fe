import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { request as plainRequest } from 'node:http';
import { Agent } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ConfigFiles, readConfig } from '#config';
import {
  describeWith,
  endedAfterEach,
  eventually,
  httpsRequest,
  onAuthorities,
  onRedis,
  type RedisServer,
  type TestAuthority,
  type TestCertificate,
} from '#testing';

import { newKey } from '../auth/authenticate.js';
import { Needs } from '../auth/rights.guard.js';
import { createLogger } from '../logging/logger.js';
import { ConfigReload } from '../reload/config-reload.service.js';
import { createApp } from './create-app.js';
import { stopGracefully } from './graceful-stop.js';

@Controller('v1')
@Needs('node.speak')
class HelloController {
  @Get('hello')
  hello(): unknown {
    return { hello: true };
  }
}

@Module({ controllers: [HelloController] })
class HelloModule {}

let redis: RedisServer;
let dir: string;
let authority: TestAuthority;
let other: TestAuthority;
let server: TestCertificate;
const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());
const logged: string[] = [];
const { key, hash } = newKey();
const AUTH = `auth: { keys: [{ id: n, role: node, hash: '${hash}' }] }\n`;

async function start(yaml: string): Promise<string> {
  const file = join(dir, 'berth.yaml');
  await writeFile(file, yaml);
  const source = { env: { BERTH_CONFIG: file, BERTH_REDIS_URL: redis.url }, cwd: dir };
  const files = new ConfigFiles(dir);
  const reading = readConfig({ ...source, files });
  const logger = createLogger(reading.config, 'hello', { write: (line) => logged.push(line) });
  const app = await createApp(HelloModule, { config: reading.config, logger });
  apps.push(app);
  app.get(ConfigReload).watch(reading, files.digests, source);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return `https://127.0.0.1:${port}`;
}

const tls = (more = '') => `http: { tls: { cert_file: '${server.certFile}', key_file: '${server.keyFile}'${more} } }\n`;
const mutual = () => tls(`, client_ca_file: '${authority.caFile}'`);

describeWith(['redis-server', 'openssl'], 'HTTP with TLS', () => {
  onRedis((on) => ({ redis } = on));
  onAuthorities((on) => ({ dir, authority, other, server } = on));

  afterEach(() => {
    logged.length = 0;
  });

  it('is served with the certificate of the file, to clients that trust its authority alone', async () => {
    const url = await start(tls());
    expect(await httpsRequest(`${url}/v1/hello`, { ca: authority.ca })).toEqual({
      status: 200,
      body: '{"hello":true}',
      server: 'server',
    });
    await expect(httpsRequest(`${url}/v1/hello`, { ca: other.ca })).rejects.toThrow(/certificate/);
  });

  it('asks for keys as before', async () => {
    const url = await start(tls() + AUTH);
    const status = async (authorization?: string) => {
      const headers = authorization === undefined ? {} : { authorization };
      return (await httpsRequest(`${url}/v1/hello`, { ca: authority.ca, headers })).status;
    };
    expect([await status(), await status(`Bearer ${key}`)]).toEqual([401, 200]);
  });

  it('holds the checks of Host and Origin where there are no keys', async () => {
    const url = await start(tls());
    const status = async (headers: Record<string, string>, method = 'GET') =>
      (await httpsRequest(`${url}/v1/hello`, { ca: authority.ca, servername: 'localhost', headers, method })).status;
    expect(await status({ host: 'evil.example' })).toBe(421);
    expect(await status({ host: 'localhost' })).toBe(200);
    expect(await status({ origin: 'https://evil.example' }, 'POST')).toBe(403);
  });

  it('gives no answer in plain HTTP, and goes on', async () => {
    const url = await start(tls());
    const plain = plainRequest(url.replace('https:', 'http:')).end();
    await expect(once(plain, 'response')).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await httpsRequest(`${url}/health/live`, { ca: authority.ca })).status).toBe(200);
  });

  it('answers what is not HTTP inside TLS with a problem, as without TLS', async () => {
    const url = await start(tls());
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca: authority.ca });
    socket.write('nonsense\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
    socket.destroy();
  });

  it('does not wait with a stop for who has connected and says nothing', async () => {
    const url = await start(tls());
    const silent = connectPlain(Number(new URL(url).port), '127.0.0.1');
    await once(silent, 'connect');
    const closed = once(silent.resume(), 'close');
    await stopGracefully(apps.splice(0)[0]!);
    await closed;
  });

  describe('with certificates that change', () => {
    const move = async (from: TestCertificate, to: TestCertificate) => {
      await rename(from.keyFile, to.keyFile);
      await rename(from.certFile, to.certFile);
    };

    it('shows the new one to new connections without a restart, while old connections go on', async () => {
      const current = await authority.issue('current');
      const url = await start(`http: { tls: { cert_file: '${current.certFile}', key_file: '${current.keyFile}' } }`);
      const ask = (agent?: Agent) => httpsRequest(`${url}/v1/hello`, { ca: authority.ca, ...(agent && { agent }) });
      const agent = new Agent({ ca: authority.ca, keepAlive: true, maxSockets: 1 });
      expect((await ask(agent)).server).toBe('current');
      await move(await authority.issue('renewed'), current);
      await eventually(async () => (await ask()).server === 'renewed', { timeoutMs: 10_000 });
      expect(await ask(agent)).toMatchObject({ status: 200, server: 'current' });
      agent.destroy();
      expect(logged.filter((line) => line.includes('Configuration read again'))).toHaveLength(1);
    });

    it('keeps the one it has where the new key does not fit, says so once with the path, and takes the right one when it comes', async () => {
      const current = await authority.issue('kept');
      const url = await start(`http: { tls: { cert_file: '${current.certFile}', key_file: '${current.keyFile}' } }`);
      const renewed = await authority.issue('fits');
      await rename(renewed.certFile, current.certFile);
      const refusals = () => logged.filter((line) => line.includes('is refused; everything stays as it was'));
      await eventually(() => refusals().length > 0);
      expect(refusals()[0]).toContain(`http.tls.key_file: found \\"${current.keyFile}\\", which does not fit`);
      const shown = async () => (await httpsRequest(`${url}/v1/hello`, { ca: authority.ca })).server;
      expect(await shown()).toBe('kept');
      await rename(renewed.keyFile, current.keyFile);
      await eventually(async () => (await shown()) === 'fits', { timeoutMs: 10_000 });
      expect(refusals()).toHaveLength(1);
    });

    it('takes a restart to ask for client certificates, or not to, and says so', async () => {
      for (const [before, after, expected] of [
        [tls(), mutual(), 200],
        [mutual(), tls(), 403],
      ] as const) {
        logged.length = 0;
        const url = await start(before);
        await writeFile(join(dir, 'berth.yaml'), after);
        apps.at(-1)!.get(ConfigReload).reload('SIGHUP');
        expect(logged.filter((line) => line.includes('"settings":["http.tls.client_ca_file"]'))).toHaveLength(1);
        expect((await httpsRequest(`${url}/v1/hello`, { ca: authority.ca })).status).toBe(expected);
      }
    });

    it('judges client certificates by the new authorities, on new connections', async () => {
      const url = await start(mutual());
      const client = await other.issue('of-other');
      const status = async () => {
        const { cert, key: secret } = client;
        return (await httpsRequest(`${url}/v1/hello`, { ca: authority.ca, cert, key: secret })).status;
      };
      expect(await status()).toBe(403);
      await writeFile(authority.caFile, authority.ca + other.ca);
      await eventually(async () => (await status()) === 200, { timeoutMs: 10_000 });
      await writeFile(authority.caFile, authority.ca);
      await eventually(async () => (await status()) === 403, { timeoutMs: 10_000 });
    });
  });

  describe('mutual', () => {
    const refused = /"code":"forbidden"/;

    it('answers a client certificate of the authority, and keys are asked for as before', async () => {
      const url = await start(mutual() + AUTH);
      const { cert, key: secret } = await authority.issue('client');
      const as = { ca: authority.ca, cert, key: secret };
      expect((await httpsRequest(`${url}/v1/hello`, as)).status).toBe(401);
      const headers = { authorization: `Bearer ${key}` };
      expect((await httpsRequest(`${url}/v1/hello`, { ...as, headers })).status).toBe(200);
    });

    it('refuses a caller without one, whatever the key, and says so', async () => {
      const url = await start(mutual() + AUTH);
      const headers = { authorization: `Bearer ${key}` };
      for (const path of ['/v1/hello', '/metrics', '/no-such-path', '/%zz']) {
        const answer = await httpsRequest(`${url}${path}`, { ca: authority.ca, headers });
        expect([path, answer.status]).toEqual([path, 403]);
        expect(answer.body).toMatch(refused);
        expect(answer.body).toMatch(/http.tls.client_ca_file signed: none was shown/);
      }
    });

    it('refuses a certificate of another authority, and one that has expired', async () => {
      const url = await start(mutual());
      const [foreign, expired] = [await other.issue('foreign'), await authority.issue('expired', { days: -1 })];
      const answers = await Promise.all(
        [foreign, expired].map(({ cert, key: secret }) =>
          httpsRequest(`${url}/v1/hello`, { ca: authority.ca, cert, key: secret }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual([403, 403]);
      expect(answers[0]?.body).toMatch(/refused \((UNABLE_TO|DEPTH_ZERO)/);
      expect(answers[1]?.body).toMatch(/refused \(CERT_HAS_EXPIRED\)/);
    });

    it('answers /health/* without one, since probes have none', async () => {
      const url = await start(mutual());
      const statuses = ['live', 'ready'].map(
        async (what) => (await httpsRequest(`${url}/health/${what}`, { ca: authority.ca })).status,
      );
      expect(await Promise.all(statuses)).toEqual([200, 200]);
    });

    it('does not take a resumed session for a certificate', async () => {
      const url = await start(mutual());
      for (const shown of [undefined, await other.issue('stranger')]) {
        const as = { host: '127.0.0.1', port: Number(new URL(url).port), ca: authority.ca, ...shown };
        const first = connect(as);
        const resumable = once(first, 'session') as Promise<[Buffer]>;
        const answers = [await statusOver(first)];
        const again = connect({ ...as, session: (await resumable)[0] });
        answers.push(await statusOver(again));
        expect([again.isSessionReused(), answers]).toEqual([true, [403, 403]]);
        for (const socket of [first, again]) socket.destroy();
      }
    });
  });
});

async function statusOver(socket: TLSSocket): Promise<number> {
  socket.write('GET /v1/hello HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [head] = (await once(socket, 'data')) as [Buffer];
  return Number(head.toString().slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
}
