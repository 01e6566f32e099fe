import { describe, expect, it } from '@jest/globals';
import { assert, asyncProperty, constantFrom, dictionary, jsonValue, oneof, record, string } from 'fast-check';
import type { Redis } from 'ioredis';

import { admissionBody } from '#session-wire';
import { inForm } from '#testing';

import { type Gateway, onOneGateway } from '../gateway.fixture.js';

const JSON_TYPE = { 'content-type': 'application/json' };

let books: Redis;
let gateway: Gateway;

onOneGateway({ configYaml: 'limits: { max_sessions_per_user: 0 }' }, (suite) => {
  ({ books, gateway } = suite);
});

/** Every live session. */
const places = async () => await books.zcard('berth:{default/0}:deadlines');

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('a field of an admission', () => {
  it.each<[path: string, body: Record<string, unknown>]>([
    ['from', { user: undefined }],
    ['from', { user: '', from: ' ' }],
    ['from', { user: undefined, from: 'sip:example.com' }],
    ['from', { user: undefined, from: '"Alice <sip:alice@example.com>' }],
    ['from', { user: undefined, from: 'sip:%00@example.com' }],
    ['from', { from: 5 }],
    ['from', { from: 'x'.repeat(4_097) }],
    ['assertedIdentity', { user: undefined, assertedIdentity: 'nonsense' }],
    ['user', { user: '_default' }],
    ['user', { user: 'x'.repeat(257) }],
    ['user', { user: 'a\u0000b' }],
    ['user', { user: 7 }],
    ['from', { user: null }],
    ['user', { user: [null] }],
    ['user', { user: ['alice'] }],
    ['to', { to: 'é'.repeat(2_049) }],
    ['sessionId', { sessionId: 5 }],
    ['attempt', { attempt: -1 }],
    ['attempt', { attempt: 2 ** 31 }],
    ['attempt', { attempt: 1.5 }],
    ['attempt', { attempt: '1' }],
    ['node', { node: '' }],
    ['node', { node: 'n'.repeat(129) }],
    ['node', { node: 'a\tb' }],
    ['epoch', { epoch: 0 }],
    ['epoch', { epoch: 2 ** 53 }],
    ['epoch', { epoch: 'now' }],
    ['sourceIp', { sourceIp: '192.0.2.256' }],
    ['sourceIp', { sourceIp: 'example.com' }],
    ['sourcePort', { sourcePort: 65_536 }],
    ['sourcePort', { sourcePort: '5060' }],
    ['destination', { destination: {} }],
    ['protocol', { protocol: 'SIP' }],
    ['protocol', { protocol: 'x'.repeat(17) }],
    ['direction', { direction: 'sideways' }],
    ['correlationId', { correlationId: 'x'.repeat(257) }],
    ['groups', { groups: 'trunk:west' }],
    ['groups', { groups: Array.from({ length: 9 }, (_, i) => `trunk:${i}`) }],
    ['groups[1]', { groups: ['trunk:west', 'west'] }],
    ['groups[0]', { groups: ['Trunk:west'] }],
    ['groups[0]', { groups: [`trunk:${'x'.repeat(129)}`] }],
    ['state', { state: 'ringing' }],
    ['priority', { priority: 'high' }],
    ['ttlSeconds', { ttlSeconds: 0 }],
    ['ttlSeconds', { ttlSeconds: 0.5 }],
    ['ttlSeconds', { ttlSeconds: 1e12 }],
    ['units', { units: 2 }],
    ['metadata', { metadata: [] }],
    ['metadata', { metadata: 'text' }],
    ['metadata', { metadata: { pad: 'x'.repeat(4_090) } }],
    ['metadata', { metadata: { pad: 'é'.repeat(2_045) } }],
  ])('is refused by its path: %s', async (path, body) => {
    const before = await places();
    const answer = await gateway.admit(body);
    expect(answer).toMatchObject({
      status: 400,
      headers: { 'content-type': 'application/problem+json; charset=utf-8' },
      body: { code: 'invalid-request', status: 400, errors: [{ path, message: expect.any(String) }] },
    });
    expect(await places()).toBe(before);
  });

  it('is refused together with every other bad one', async () => {
    const { body } = await gateway.admit({ node: '', epoch: -1, groups: ['x'] });
    expect((body['errors'] as { path: string }[]).map(({ path }) => path)).toEqual(['node', 'epoch', 'groups[0]']);
  });

  it('is taken at its bound', async () => {
    const answer = await gateway.admit({
      sessionId: 'é'.repeat(128),
      user: 'u'.repeat(256),
      attempt: 2 ** 31 - 1,
      node: 'n'.repeat(128),
      epoch: 2 ** 53 - 1,
      to: 't'.repeat(4_096),
      sourceIp: '2001:db8::1',
      sourcePort: 65_535,
      correlationId: 'c'.repeat(256),
      groups: Array.from({ length: 8 }, (_, i) => `${'k'.repeat(32)}:${i}${'g'.repeat(127)}`),
      ttlSeconds: 315_360_000,
      units: 1,
      metadata: { pad: 'x'.repeat(4_086) },
    });
    expect([answer.status, answer.body['session']]).toEqual([
      201,
      expect.objectContaining({ attempt: 2 ** 31 - 1, epoch: 2 ** 53 - 1, groups: expect.any(Array) }),
    ]);
    expect(await gateway.get(`/v1/sessions/${encodeURIComponent('é'.repeat(128))}`)).toMatchObject({ status: 200 });
  });
});

describe('a body', () => {
  it.each([
    ['malformed JSON', '{"user":', JSON_TYPE, 400],
    ['a list', '[]', JSON_TYPE, 400],
    ['null', 'null', JSON_TYPE, 400],
    ['a text', '"alice"', JSON_TYPE, 400],
    ['another type', 'user=alice', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['over 64 KiB', JSON.stringify({ user: 'a', pad: 'x'.repeat(65_536) }), JSON_TYPE, 413],
  ])('is refused as problem details: %s', async (_name, payload, headers, status) => {
    const before = await places();
    for (const path of ['/v1/sessions', '/v1/sessions:check', '/v1/sessions/-/activity', '/v1/sessions/x/end']) {
      const reply = await gateway.app.inject({ method: 'POST', url: path, payload, headers });
      expect(reply.statusCode).toBe(status);
      expect(reply.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    }
    expect(await places()).toBe(before);
  });

  /** Neither call takes this metadata. */
  const expectRefused = async (metadata: string, message: unknown) => {
    for (const url of ['/v1/sessions', '/v1/sessions:check']) {
      const payload = `{"user":"odd","metadata":${metadata}}`;
      const reply = await gateway.app.inject({ method: 'POST', url, payload, headers: JSON_TYPE });
      expect([reply.statusCode, reply.json()]).toEqual([
        400,
        expect.objectContaining({ errors: [{ path: 'metadata', message }] }),
      ]);
    }
  };

  it.each([
    ['a number that is none: 1e999', '{"a":1e999}', /finite/],
    ['such a number deep inside', '{"a":[{"b":[1,-1e999]}]}', /finite/],
    ['33 objects in each other', nested(33), /32/],
    ['33 lists and objects in each other', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`, /32/],
  ])('is refused when its metadata cannot be carried as it is: %s', async (_name, metadata, message) => {
    const before = await places();
    await expectRefused(metadata, expect.stringMatching(message));
    expect(await places()).toBe(before);
  });

  it('is taken with metadata that is nested 32 deep', async () => {
    const payload = `{"user":"deep-enough","metadata":${nested(32)}}`;
    const reply = await gateway.app.inject({ method: 'POST', url: '/v1/sessions', payload, headers: JSON_TYPE });
    expect(reply.statusCode).toBe(201);
    expect(JSON.stringify(reply.json())).toContain(`"metadata":${nested(32)}`);
  });

  it.each([
    ['objects', nested(10_000)],
    ['lists', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`],
  ])('is refused when its metadata is nested without end: %s', async (_name, metadata) => {
    await expectRefused(metadata, expect.any(String));
  });

  it.each([
    ['no type', {}],
    ['JSON', JSON_TYPE],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
  ])('that is empty is {} with %s', async (_name, headers) => {
    await gateway.admit({ sessionId: `empty ${_name}` });
    const url = `/v1/sessions/${encodeURIComponent(`empty ${_name}`)}`;
    const call = async (path: string) =>
      (await gateway.app.inject({ method: 'POST', url: path, payload: '', headers })).statusCode;
    expect([await call(`${url}/confirm`), await call(`${url}/activity`), await call(`${url}/end`)]).toEqual([
      200, 200, 204,
    ]);
  });
});

describe('activity', () => {
  it.each<[path: string, body: Record<string, unknown>]>([
    ['bytesSent', { bytesSent: -1 }],
    ['bytesReceived', { bytesReceived: '5' }],
    ['packetsSent', { packetsSent: 2 ** 53 }],
    ['channels', { channels: Array.from({ length: 65 }, (_, i) => ({ id: `${i}`, type: 'session' })) }],
    ['channels[0].type', { channels: [{ id: '1', type: 'x11' }] }],
    ['channels[0].port', { channels: [{ id: '1', type: 'session', port: 70_000 }] }],
    ['channels[0].openedAt', { channels: [{ id: '1', type: 'session', openedAt: 'yesterday' }] }],
  ])('is refused by its path: %s', async (path, body) => {
    expect(await gateway.post('/v1/sessions/x/activity', body)).toMatchObject({
      status: 400,
      body: { errors: [{ path }] },
    });
  });
});

describe('a route', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1/sessions'],
    ['PUT', '/v1/sessions'],
    ['PATCH', '/v1/sessions/x'],
    ['POST', '/v1/sessions/x'],
    ['POST', '/v1/sessions/a/b/end'],
    ['POST', '/v1/sessions:checks'],
    ['GET', '/v2/sessions/x'],
    ['OPTIONS', '/v1/sessions'],
  ] as const)('that does not exist is 404: %s %s', async (method, url) => {
    const reply = await gateway.app.inject({ method, url });
    expect(reply.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect([reply.statusCode, reply.json<{ code: string }>().code]).toEqual([404, 'not-found']);
  });

  it.each(['attempt=x', 'attempt=-1', 'attempt=99999999999', 'reason=a&reason=b', 'user=a&user=b', 'user=%01'])(
    'refuses the query %s',
    async (query) => {
      const { status, body } = await gateway.delete(`/v1/sessions/x?${query}`);
      expect([status, body['errors']]).toEqual([400, [{ path: query.split('=')[0], message: expect.any(String) }]]);
    },
  );
});

describe('any body', () => {
  const wild = oneof(
    jsonValue({ maxDepth: 3 }),
    string({ unit: 'binary' }),
    constantFrom(null, -1, 0, 1, 2 ** 31, 2 ** 53, 1e308, '', '-', 'a:b', '\ud800', '\u0000', 'sip:a@b', {}, []),
  );
  const fields = Object.keys(admissionBody.shape);
  const anyBody = oneof(
    dictionary(constantFrom(...fields, 'reason', 'bytesSent', 'channels', '__proto__', 'x'), wild),
    record({ user: string({ unit: 'binary' }), metadata: dictionary(string({ unit: 'binary' }), wild) }),
    wild,
  );

  it('is never a 500, and a place is taken only where the answer says so', async () => {
    const paths = ['/v1/sessions:check', '/v1/sessions/-/confirm', '/v1/sessions/-/activity', '/v1/sessions/-/end'];
    await assert(
      asyncProperty(anyBody, async (body) => {
        await books.flushall();
        const payload = JSON.stringify(body);
        const call = (url: string) => gateway.app.inject({ method: 'POST', url, payload, headers: JSON_TYPE });

        const { statusCode, json } = await call('/v1/sessions');
        expect([201, 400, 413]).toContain(statusCode);
        expect(await books.zcard('berth:{default/0}:deadlines')).toBe(statusCode === 201 ? 1 : 0);
        if (statusCode === 201) {
          const { session } = json<{ session: { id: string } }>();
          const read = await gateway.get(`/v1/sessions/${encodeURIComponent(session.id)}`);
          expect(session.id === '-' || read.status === 200).toBe(true);
        }
        for (const path of paths) expect((await call(path)).statusCode).toBeLessThan(500);
      }),
      { numRuns: inForm({ short: 150, long: 400 }) },
    );
  });
});
