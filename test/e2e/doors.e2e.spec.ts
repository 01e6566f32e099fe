import { Agent, request } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { newKey } from '#service-kit';
import { startBerth, startRedis, type Berth, type BerthAppName, type RedisServer } from '#testing';

const APPS: BerthAppName[] = ['admission-gateway', 'limits-admin', 'session-reaper'];
const READING = ['GET', 'HEAD', 'OPTIONS'];
const CHANGING = ['POST', 'PUT', 'PATCH', 'DELETE'];

const LOCAL_HOSTS = ['localhost', 'LocalHost:8080', '127.0.0.1:1', '127.8.9.10', '[::1]', '[::1]:65535'];
const FOREIGN_HOSTS = [
  null,
  '',
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  '127.0.0.1.evil.example:8080',
  'evil.example@localhost',
  'localhost:8080@evil.example',
  'localhost, evil.example',
  'sub.localhost',
  '0.0.0.0:8080',
  '192.0.2.1',
  '128.0.0.1',
  '127.1',
  '2130706433',
  '[::]:8080',
  '[2001:db8::1]',
  '[127.0.0.1]',
  '::1',
];

/** Origins by the host that is called: whether a change from there is let through. */
const OWN_ORIGINS: ((host: string) => string | null)[] = [() => null, (host) => `http://${host.toLowerCase()}`];
const FOREIGN_ORIGINS: ((host: string) => string)[] = [
  () => 'null',
  () => '',
  () => 'https://evil.example',
  () => 'http://localhost:9',
  () => 'http://127.0.0.2',
  (host) => `http://${host}.evil.example`,
  (host) => `http://evil.example/${host}`,
  (host) => `http://evil.example@${host}`,
  (host) => `http://${host}, http://evil.example`,
  (host) => `chrome-extension://${host}`,
];
const SITES = [null, 'same-origin', 'same-site', 'none', 'cross-site'];

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

let redis: RedisServer;
let berth: Berth;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

beforeAll(async () => {
  redis = await startRedis();
  berth = await startBerth({ redisUrl: redis.url });
});

afterAll(async () => {
  agent.destroy();
  await berth?.stop();
  await redis?.stop();
});

type Headers = Record<string, string | string[] | null>;

/** One request to an app without keys, with these headers and no others: a header that is null is not sent. */
function call(app: BerthAppName, method: string, path: string, headers: Headers) {
  return callAt(berth, app, method, path, headers);
}

function callAt(where: Berth, app: BerthAppName, method: string, path: string, headers: Headers) {
  const { port } = new URL(where.app(app).url);
  return new Promise<Answer>((resolve, reject) => {
    // As a flat list, so that a header may be there twice.
    const sent = Object.entries({ ...headers, 'content-length': '0' }).flatMap(([name, value]) =>
      (value === null ? [] : [value].flat()).flatMap((one) => [name, one]),
    );
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers: sent, setHost: false, agent },
      (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (part: string) => (text += part));
        reply.once('error', reject);
        reply.once('end', () => {
          const isJson = /json/.test(reply.headers['content-type'] ?? '') && text !== '';
          const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
          resolve({ status: reply.statusCode ?? 0, body });
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

interface Case {
  host: string | null;
  origin: string | null;
  site: string | null;
  expected: 'passes' | 421 | 403;
}

function casesOf(method: string): Case[] {
  const foreign: Case[] = FOREIGN_HOSTS.flatMap((host) =>
    [null, `http://${host ?? ''}`, 'http://localhost'].map((origin): Case => ({
      host,
      origin,
      site: 'same-origin',
      expected: 421,
    })),
  );
  const local = LOCAL_HOSTS.flatMap((host) =>
    SITES.flatMap((site) => {
      const refused = (isForeign: boolean) =>
        CHANGING.includes(method) && (isForeign || site === 'cross-site') ? 403 : 'passes';
      return [
        ...OWN_ORIGINS.map((origin): Case => ({ host, origin: origin(host), site, expected: refused(false) })),
        ...FOREIGN_ORIGINS.map((origin): Case => ({ host, origin: origin(host), site, expected: refused(true) })),
      ];
    }),
  );
  return [...foreign, ...local];
}

describe.each(APPS)('without keys, at %s', (app) => {
  it.each([...READING, ...CHANGING])(
    'only a loopback Host is answered, and a change from another origin is not: %s',
    async (method) => {
      const cases = casesOf(method);
      const answers = await Promise.all(
        cases.map(({ host, origin, site }) =>
          call(app, method, '/v1/nothing', { host, origin, 'sec-fetch-site': site }),
        ),
      );
      const found = answers.map(({ status }, i) => ({
        ...cases[i],
        expected: status === 421 || status === 403 ? status : 'passes',
      }));
      expect(found).toEqual(cases);
    },
  );

  it.each(['/metrics', '/health/ready', '/health/nothing', '/', '/v1/%zz', 'http://evil.example/health/ready'])(
    'answers %s with 421 and what to do about it',
    async (path) => {
      const host = path.startsWith('http:') ? 'localhost' : 'evil.example:8080';
      const { status, body } = await call(app, 'GET', path, { host });
      expect([status, body]).toEqual([
        421,
        {
          type: 'urn:berth:problem:misdirected-request',
          title: 'This service does not answer for that host',
          status: 421,
          code: 'misdirected-request',
          detail: expect.stringMatching(/set keys, or let the proxy send Host: localhost$/),
        },
      ]);
    },
  );

  it('does not choose between two Hosts', async () => {
    for (const host of [
      ['localhost', 'evil.example'],
      ['evil.example', 'localhost'],
    ]) {
      expect((await call(app, 'GET', '/metrics', { host })).status).toBe(421);
    }
  });

  it('/health/live is for anybody', async () => {
    for (const host of [...LOCAL_HOSTS, ...FOREIGN_HOSTS]) {
      const headers = { host, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      expect(await call(app, 'GET', '/health/live', headers)).toEqual({ status: 200, body: { status: 'ok' } });
    }
  });
});

describe('a web page without keys', () => {
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  const admit = async (id: string) => {
    const reply = await fetch(`${berth.app('admission-gateway').url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sessionId: id, user: 'alice' }),
    });
    expect(reply.status).toBe(201);
  };
  const lives = async (id: string) =>
    (await call('admission-gateway', 'GET', `/v1/sessions/${id}`, { host: 'localhost' })).body['state'] === 'active';

  it('kills no call by an empty cross-site POST, nor by DNS rebinding; a program kills it as before', async () => {
    await admit('victim');
    const killing: [BerthAppName, string, string][] = [
      ['limits-admin', 'POST', '/api/sessions/victim/terminate'],
      ['limits-admin', 'DELETE', '/api/sessions/victim'],
      ['limits-admin', 'DELETE', '/api/sessions/users/alice/sessions'],
      ['admission-gateway', 'POST', '/v1/sessions/victim/end'],
      ['admission-gateway', 'DELETE', '/v1/sessions/victim'],
    ];
    for (const [app, method, path] of killing) {
      expect((await call(app, method, path, { host: '127.0.0.1:8080', ...evil })).status).toBe(403);
      expect((await call(app, method, path, { host: '127.0.0.1:8080', origin: 'null' })).status).toBe(403);
      expect((await call(app, method, path, { host: '127.0.0.1:8080', 'sec-fetch-site': 'cross-site' })).status).toBe(
        403,
      );
      const rebound = {
        host: 'evil.example:8080',
        origin: 'http://evil.example:8080',
        'sec-fetch-site': 'same-origin',
      };
      expect((await call(app, method, path, rebound)).status).toBe(421);
    }
    expect(await lives('victim')).toBe(true);
    expect((await call('limits-admin', 'POST', '/api/sessions/victim/terminate', { host: 'localhost' })).status).toBe(
      200,
    );
    expect(await lives('victim')).toBe(false);
  });

  it('reads no session and changes no limit by DNS rebinding, and is refused with the sentence under /api', async () => {
    const active = await call('limits-admin', 'GET', '/api/sessions/active', { host: 'evil.example:8080' });
    expect([active.status, active.body['error']]).toEqual([421, active.body['detail']]);
    const put = await call('limits-admin', 'PUT', '/api/sessions/limits', { host: 'evil.example:8080' });
    expect(put.status).toBe(421);
    const foreign = await call('limits-admin', 'PUT', '/api/sessions/limits', { host: 'localhost', ...evil });
    expect([foreign.status, foreign.body['code']]).toEqual([403, 'forbidden']);
  });
});

describe('with keys', () => {
  const { key, hash } = newKey();
  const configYaml = `auth: { keys: [{ id: a, hash: '${hash}', role: admin }] }\nhttp: { trusted_proxies: [127.0.0.1] }`;
  let keyed: Berth;

  beforeAll(async () => {
    keyed = await startBerth({ redisUrl: redis.url, configYaml });
  });
  afterAll(async () => {
    await keyed?.stop();
  });

  it('nothing changes: the key decides, whatever Host, Origin and Sec-Fetch-Site are', async () => {
    for (const app of APPS) {
      for (const host of ['localhost', 'berth.example', null]) {
        const page = { host, origin: 'https://berth.example', 'sec-fetch-site': 'cross-site' };
        const statuses = async (headers: Headers) =>
          await Promise.all(
            ['GET', 'POST'].map(async (method) => (await callAt(keyed, app, method, '/v1/nothing', headers)).status),
          );
        expect(await statuses({ ...page, authorization: `Bearer ${key}` })).toEqual([404, 404]);
        expect(await statuses(page)).toEqual([401, 401]);
        expect((await callAt(keyed, app, 'GET', '/health/ready', page)).status).toBe(200);
        expect((await callAt(keyed, app, 'GET', '/v1/%zz', page)).status).toBe(400);
      }
    }
  });

  it.each(APPS)('wrong keys at %s are slowed there and at every other app; a right one is not', async (attacked) => {
    const source = `198.51.100.${APPS.indexOf(attacked) + 1}`;
    const ask = async (app: BerthAppName, sent: string, from = source) =>
      await callAt(keyed, app, 'GET', '/metrics', {
        host: 'x',
        authorization: `Bearer ${sent}`,
        'x-forwarded-for': from,
      });
    const answers: Answer[] = [];
    for (let i = 0; i < 99; i += 1) answers.push(await ask(attacked, newKey().key));
    expect(answers[0]?.status).toBe(401);
    expect(answers.find(({ status }) => status === 429)).toMatchObject({ body: { code: 'too-many-attempts' } });
    for (const app of APPS) {
      // One of two: a machine that stood still for six seconds has one more 401.
      const two = [await ask(app, newKey().key), await ask(app, newKey().key)];
      expect(two.map(({ status }) => status)).toContain(429);
      expect((await ask(app, key)).status).toBe(200);
      expect((await ask(app, newKey().key, '203.0.113.9')).status).toBe(401);
    }
  });
});
