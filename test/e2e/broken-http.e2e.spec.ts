import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually, startBerth, startRedis, type Berth, type BerthAppName, type RedisServer } from '#testing';

const APPS: BerthAppName[] = ['admission-gateway', 'limits-admin', 'session-reaper'];
const HOST = 'Host: localhost\r\n';
const CHUNKED = `${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n`;
const LONG = 'x'.repeat(20_000);

let redis: RedisServer;
let berth: Berth;
const sockets: Socket[] = [];

beforeAll(async () => {
  redis = await startRedis();
  berth = await startBerth({ redisUrl: redis.url });
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await berth?.stop();
  await redis?.stop();
});

/** A connection that keeps its own side open whatever the server does. */
async function open(app: BerthAppName): Promise<Socket> {
  const socket = connect({ port: Number(new URL(berth.app(app).url).port), host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** All that the server says until it ends the connection. */
async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  await once(socket, 'end');
  return text;
}

interface Answer {
  status: number;
  type: string | undefined;
  body: Record<string, unknown>;
}

/** The answers of a connection, in their order; each says how long it is. */
function answersIn(text: string): Answer[] {
  const found: Answer[] = [];
  for (let rest = text; rest !== '';) {
    const [head = '', status] = /^HTTP\/1\.1 (\d+) [^]*?\r\n\r\n/.exec(rest) ?? [];
    const field = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(head)?.[1];
    const end = head.length + Number(field('content-length'));
    if (head === '' || !(end <= rest.length)) throw new Error(`No answer: ${rest}`);
    const body = JSON.parse(Buffer.from(rest.slice(head.length, end), 'latin1').toString()) as Record<string, unknown>;
    found.push({ status: Number(status), type: field('content-type'), body });
    rest = rest.slice(end);
  }
  return found;
}

async function answers(app: BerthAppName, request: string | Buffer): Promise<Answer[]> {
  const socket = await open(app);
  socket.write(request);
  const text = await heard(socket);
  socket.destroy();
  return answersIn(text);
}

const refusals: [name: string, status: number, request: string | Buffer][] = [
  ['Expect: x', 417, `POST /v1/sessions HTTP/1.1\r\n${HOST}Expect: x\r\nContent-Length: 2\r\n\r\n{}`],
  ['Expect: x without a body', 417, `GET /metrics HTTP/1.1\r\n${HOST}Expect: x\r\n\r\n`],
  ['CONNECT', 405, `CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`],
  ['a method that HTTP does not know', 400, `FOO / HTTP/1.1\r\n${HOST}\r\n`],
  ['HTTP/2', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/3', 400, `GET / HTTP/3.0\r\n${HOST}\r\n`],
  ['TLS', 400, Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5])],
  ['a header name with a blank', 400, `GET / HTTP/1.1\r\n${HOST}Bad Header: x\r\n\r\n`],
  ['a header with a control character', 400, `GET / HTTP/1.1\r\n${HOST}X: a\u0001b\r\n\r\n`],
  ['a header without its end', 400, `GET / HTTP/1.1\nHost: localhost\n\n`],
  ['too large headers', 431, `GET / HTTP/1.1\r\n${HOST}X: ${LONG}\r\n\r\n`],
  ['a too long target', 431, `GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`],
  ['a target that is no path', 400, `GET x HTTP/1.1\r\n${HOST}\r\n`],
  ['a length that is no number', 400, `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x2\r\n\r\n{}`],
  ['a negative length', 400, `POST / HTTP/1.1\r\n${HOST}Content-Length: -2\r\n\r\n{}`],
  ['two lengths', 400, `POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`],
  ['a length and chunks', 400, `POST / HTTP/1.1\r\n${CHUNKED}Content-Length: 2\r\n\r\n0\r\n\r\n`],
  ['another transfer encoding', 400, `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`],
  ['a chunk that is none', 400, `POST /v1/x HTTP/1.1\r\n${CHUNKED}\r\nzz\r\n`],
  ['a later chunk that is none', 400, `POST /v1/x HTTP/1.1\r\n${CHUNKED}\r\n3\r\n{"a\r\nzz\r\n`],
  ['too large chunk extensions', 400, `POST /v1/x HTTP/1.1\r\n${CHUNKED}\r\n2;${LONG}\r\n{}\r\n0\r\n\r\n`],
  ['too large trailers', 431, `POST /v1/x HTTP/1.1\r\n${CHUNKED}\r\n2\r\n{}\r\n0\r\nX: ${LONG}\r\n\r\n`],
];

/** Methods that HTTP knows and Berth does not, and requests that would be for a proxy or another protocol. */
const strange: [name: string, statuses: number[], request: string][] = [
  ...['TRACE', 'PROPFIND', 'SEARCH', 'QUERY', 'PURGE', 'M-SEARCH', 'LINK', 'OPTIONS'].map(
    (method): [string, number[], string] => [method, [400, 404], `${method} /v1/sessions HTTP/1.1\r\n`],
  ),
  ['OPTIONS *', [404], 'OPTIONS * HTTP/1.1\r\n'],
  ['an upgrade', [404], 'GET /nothing HTTP/1.1\r\nUpgrade: websocket\r\n'],
  ['HTTP/1.0', [404], 'GET /nothing HTTP/1.0\r\n'],
  ['1,500 headers, of which 1,000 are read', [404, 421], `GET /nothing HTTP/1.1\r\n${'a: b\r\n'.repeat(1_500)}`],
  ['a length of 2^63', [404, 413], 'POST /v1/nothing HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n'],
];

describe.each(APPS)('every error is problem+json: %s', (app) => {
  it.each(refusals)('%s is %d', async (_name, status, request) => {
    const found = await answers(app, request);
    expect(found).toEqual([
      {
        status,
        type: 'application/problem+json; charset=utf-8',
        body: expect.objectContaining({ status, detail: expect.stringMatching(/\w{3}/), title: expect.any(String) }),
      },
    ]);
    const { type, code, errors } = found[0]?.body ?? {};
    expect(type).toBe(`urn:berth:problem:${String(code)}`);
    if (code === 'invalid-request') expect(errors).toEqual([{ path: expect.any(String), message: expect.any(String) }]);
  });

  it.each(strange)('%s', async (_name, statuses, request) => {
    const [answer] = await answers(app, `${request}${HOST}Connection: close\r\n\r\n`);
    expect(statuses).toContain(answer?.status);
    expect([answer?.type, answer?.body['status']]).toEqual(['application/problem+json; charset=utf-8', answer?.status]);
  });

  it('has the sentence as `error` under /api, also where nothing became of the request', async () => {
    for (const [path, has] of [
      ['/api/sessions/limits', true],
      ['/v1/sessions', false],
    ] as const) {
      for (const request of [
        `PUT ${path} HTTP/1.1\r\n${HOST}Expect: x\r\n\r\n`,
        `PUT ${path} HTTP/1.1\r\n${HOST}Bad Header: x\r\n\r\n`,
        `PUT ${path} HTTP/1.1\r\n${CHUNKED}\r\nzz\r\n`,
      ]) {
        const [{ body } = { body: {} }] = await answers(app, request);
        expect([request, Object.hasOwn(body, 'error')]).toEqual([request, has]);
      }
    }
  });

  it('logs none of it as an error', () => {
    const lines = berth.app(app).process.output().split('\n');
    expect(lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([]);
  });
});

describe('a client', () => {
  it('that is too slow hears 408', async () => {
    const begun = APPS.flatMap((app) =>
      ['', 'GET / HTTP/1.1\r\nHost:', `POST /v1/nothing HTTP/1.1\r\n${HOST}`].map(async (text) => {
        const socket = await open(app);
        if (text !== '') socket.write(text);
        return answersIn(await heard(socket));
      }),
    );
    for (const found of await Promise.all(begun)) {
      expect(found).toMatchObject([{ status: 408, body: { code: 'request-timeout', detail: expect.any(String) } }]);
    }
  }, 60_000);

  it('that is refused and does not leave keeps no connection', async () => {
    const kept = APPS.flatMap((app) =>
      [`FOO / HTTP/1.1\r\n${HOST}\r\n`, `CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`].map(async (request) => {
        const socket = await open(app);
        socket.write(request);
        await heard(socket);
        // A connection that is cut answers what still comes with a reset.
        socket.on('error', () => {});
        await eventually(() => {
          if (!socket.destroyed) socket.write('x');
          expect(socket.destroyed).toBe(true);
        });
      }),
    );
    await Promise.all(kept);
  });
});

describe('nonsense behind whole requests', () => {
  const admission = (id: string) => {
    const body = JSON.stringify({ sessionId: id, user: id });
    return `POST /v1/sessions HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };

  it.each([
    ['no HTTP', 400, 'NONSENSE\r\n\r\n'],
    ['CONNECT', 405, `CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`],
    ['Expect', 417, `GET / HTTP/1.1\r\n${HOST}Expect: x\r\n\r\n`],
  ])(
    'is refused after them: nobody takes a refusal for the answer to an admission: %s',
    async (name, status, nonsense) => {
      const found = await answers('admission-gateway', `${admission(`${name} a`)}${admission(`${name} b`)}${nonsense}`);
      expect(found.map((answer) => answer.status)).toEqual([201, 201, status]);
    },
  );
});
