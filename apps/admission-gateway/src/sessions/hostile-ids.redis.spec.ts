import { afterAll, describe, expect, it } from '@jest/globals';
import { assert, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import type { Redis } from 'ioredis';

import { inForm } from '#testing';

import { type Gateway, onOneGateway } from '../gateway.fixture.js';
import { RawClient } from './raw-http.fixture.js';

let books: Redis;
let gateway: Gateway;
let http: RawClient;

onOneGateway({ configYaml: 'limits: { max_sessions_per_user: 1000000 }' }, async (suite) => {
  ({ books, gateway } = suite);
  await gateway.app.listen(0, '127.0.0.1');
  http = new RawClient(Number(new URL(await gateway.app.getUrl()).port));
});

afterAll(() => http?.close());

/** Every byte escaped, as a client does that cannot know which ones need it. */
const everyByteEscaped = (id: string) =>
  [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/u;

/** What RFC 3261 allows in a Call-ID, what URLs trip over, and any printable text; 1 to 256 bytes. `-` is none in a path. */
const anyId = oneof(
  string({ unit: constantFrom(...Array.from('aZ09-.!%*_+`\'~()<>:\\"/[]?{}@')), minLength: 1, maxLength: 256 }),
  string({
    unit: constantFrom('%', '2', 'F', '5', '/', '.', '?', '#', '%2F', '%25', '%00', ' ', ';'),
    minLength: 1,
    maxLength: 80,
  }),
  string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
).filter((id) => id !== '-' && !UNPRINTABLE.test(id) && Buffer.byteLength(id) <= 256);

const placesOf = async (user: string) => await books.zcard(`berth:{default/0}:user_sessions:${user}`);

describe('any id', () => {
  it.each<[string, (id: string) => { path: string; body: object }]>([
    ['in the path, every byte escaped', (id) => ({ path: everyByteEscaped(id), body: {} })],
    ['in the body, - in the path', (id) => ({ path: '-', body: { sessionId: id } })],
  ])('names the same session %s', async (_name, naming) => {
    let run = 0;
    await assert(
      asyncProperty(anyId, async (id) => {
        const user = `user-${++run}`;
        const { path, body } = naming(id);
        const answer = async (verb: string) => (await http.call('POST', `/v1/sessions/${path}/${verb}`, body)).status;
        await books.flushall();

        const admitted = await gateway.admit({ sessionId: id, user, state: 'reserved' });
        expect([admitted.status, admitted.body['session']]).toEqual([201, expect.objectContaining({ id })]);
        expect(await answer('confirm')).toBe(200);
        expect(await answer('activity')).toBe(200);
        expect((await http.call('GET', `/v1/sessions/${everyByteEscaped(id)}`)).body).toMatchObject({
          id,
          state: 'active',
        });
        expect(await answer('end')).toBe(204);
        expect(await books.zcard(`berth:{default/0}:user_sessions:${user}`)).toBe(0);
      }),
      { numRuns: inForm({ short: 60, long: 200 }) },
    );
  });

  it('is ended by DELETE, escaped as encodeURIComponent does', async () => {
    await assert(
      asyncProperty(anyId, async (id) => {
        await books.flushall();
        await gateway.admit({ sessionId: id, user: 'deleted' });
        expect((await http.call('DELETE', `/v1/sessions/${encodeURIComponent(id)}`)).status).toBe(204);
        expect(await placesOf('deleted')).toBe(0);
      }),
      {
        numRuns: inForm({ short: 60, long: 200 }),
        examples: [['.'], ['..'], ['%'], ['%2F'], ['/'], ['?user=x'], ['x'.repeat(256)], ['é'.repeat(128)]],
      },
    );
  });
});

describe('an id that is none', () => {
  it.each([
    ['a control character', 'a\nb'],
    ['NUL', 'a\u0000b'],
    ['half a surrogate pair', 'a\ud800b'],
    ['257 bytes', 'x'.repeat(257)],
    ['129 characters of two bytes', 'é'.repeat(129)],
    ['nothing', ''],
  ])('is refused with its path: %s', async (_name, id) => {
    for (const answer of [
      await gateway.admit({ sessionId: id, user: 'nobody' }),
      await gateway.post('/v1/sessions/-/end', { sessionId: id }),
      await gateway.post('/v1/sessions:check', { sessionId: id, user: 'nobody' }),
    ]) {
      expect(answer).toMatchObject({
        status: 400,
        body: { code: 'invalid-request', errors: [{ path: 'sessionId', message: expect.any(String) }] },
      });
    }
    expect(await placesOf('nobody')).toBe(0);
  });

  it.each([
    ['too long', 'x'.repeat(257)],
    ['too long, escaped', '%78'.repeat(257)],
    ['very long', 'x'.repeat(10_000)],
    ['a control character', 'a%0ab'],
    ['NUL', '%00'],
    ['a malformed escape', '%zz'],
    ['half an escape', '%'],
    ['bytes that are not UTF-8', '%ff'],
    ['an escaped surrogate', '%ed%a0%80'],
  ])('is refused in the path: %s', async (_name, path) => {
    for (const answer of [
      await gateway.get(`/v1/sessions/${path}`),
      await gateway.delete(`/v1/sessions/${path}`),
      await gateway.post(`/v1/sessions/${path}/confirm`),
      await gateway.post(`/v1/sessions/${path}/end`),
    ]) {
      expect([answer.status, answer.body['code']]).toEqual([400, 'invalid-request']);
    }
  });

  it('is decoded once, never twice', async () => {
    await gateway.admit({ sessionId: 'a%2Fb', user: 'once' });
    expect((await gateway.get('/v1/sessions/a%2Fb')).status).toBe(404); // that is a/b
    expect((await gateway.get('/v1/sessions/a%252Fb')).body).toMatchObject({ id: 'a%2Fb' });
  });
});
