import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { newKey, type NewKey } from '#service-kit';
import { type RedisServer } from '#testing';

import { startGateway, type Gateway, onOneGateway } from '../gateway.fixture.js';

const CONFIG = `
limits: { max_sessions_per_user: 2 }
sessions: { ssh: { idle_timeout: 600 } }
tenants: { oldest: { limits: { session_limit_action: terminate_oldest } }, wide: { shards: 3 } }
`;
/** Each lives in another one of three shards; sessions without a user live in that of erin. */
const [ERIN, MALLORY] = ['erin', 'mallory'];

let redis: RedisServer;
let books: Redis;
let gateway: Gateway;
let connections = 0;

onOneGateway({ configYaml: CONFIG }, (suite) => {
  ({ books, gateway, redis } = suite);
});

beforeEach(async () => {
  await books.flushall(); // the limits too: the gateway publishes them again
  gateway.log.length = 0;
});

const of = (tenant: string) => ({ 'berth-tenant': tenant });
const admit = async (sessionId: string, user = 'alice', body: object = {}, tenant = 'default') =>
  await gateway.post('/v1/sessions', { sessionId, user, ...body }, of(tenant));

/** A connection that has not authenticated; its id. */
async function connect(body: object = {}, tenant = 'default'): Promise<string> {
  const sessionId = `ssh-${++connections}`;
  const { status } = await gateway.post('/v1/sessions', { sessionId, protocol: 'ssh', ...body }, of(tenant));
  expect(status).toBe(201);
  return sessionId;
}

const authenticate = (id: string, body: object, tenant = 'default') =>
  gateway.post(`/v1/sessions/${id}/authenticate`, body, of(tenant));
const transfer = (id: string, body: object, tenant = 'default') =>
  gateway.post(`/v1/sessions/${id}/transfer`, body, of(tenant));

describe('a session without a user', () => {
  it('is admitted where the protocol is not sip, counts in the total, and is shown as not authenticated', async () => {
    const { status, body } = await gateway.post('/v1/sessions', { sessionId: 's', protocol: 'ssh', from: '  ' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ session: { user: null, authenticated: false, protocol: 'ssh' }, limits: [] });
    for (let i = 0; i < 5; i++) await connect();
    expect(await books.zcard('berth:{default/0}:deadlines')).toBe(6);
    expect(await books.exists('berth:{default/0}:users')).toBe(0);
    expect((await gateway.get('/v1/sessions/s')).body).toMatchObject({ user: null, authenticated: false });
  });

  it('is no SIP call: that needs to say who calls', async () => {
    for (const body of [{}, { protocol: 'sip' }, { from: 'sip:example.com' }]) {
      const { status, body: problem } = await gateway.post('/v1/sessions', { sessionId: 's', ...body });
      expect([status, problem['code']]).toEqual([400, 'invalid-request']);
    }
  });

  it('is refused where an identity is given that names nobody', async () => {
    const bad = { sessionId: 's', protocol: 'ssh', from: 'sip:example.com' };
    expect((await gateway.post('/v1/sessions', bad)).status).toBe(400);
  });

  it('gets the same answer again, before it has a user and after', async () => {
    const id = await connect();
    const again = () => gateway.post('/v1/sessions', { sessionId: id, protocol: 'ssh' });
    expect(await again()).toMatchObject({ status: 200, body: { session: { user: null } } });
    await authenticate(id, { user: 'alice' });
    expect(await again()).toMatchObject({ status: 200, body: { session: { user: 'alice' } } });
  });
});

describe('POST /v1/sessions/{id}/authenticate', () => {
  it('answers 200 with the session, and 200 again, and logs it once', async () => {
    const id = await connect({ sourceIp: '192.0.2.1', sourcePort: 22 });
    const first = await authenticate(id, { user: 'Alice' });
    expect(first).toMatchObject({ status: 200, body: { id, user: 'alice', authenticated: true, state: 'active' } });
    expect(await authenticate(id, { user: 'sip:alice@x' })).toMatchObject({ status: 200, body: { user: 'alice' } });
    expect(gateway.log.filter(({ message }) => message === 'Session authenticated')).toEqual([
      expect.objectContaining({ session_id: id, user: 'alice', peer: '192.0.2.1:22' }),
    ]);
  });

  it('answers 429 when the user has no place left, with the limit and what to tell the caller', async () => {
    for (const id of ['a', 'b']) await admit(id);
    const id = await connect();
    const refused = await authenticate(id, { user: 'alice' });
    expect(refused).toMatchObject({
      status: 429,
      body: {
        code: 'user-limit-exceeded',
        decision: 'rejected',
        limits: [{ scope: 'user', key: 'alice', max: 2, active: 2 }],
        sip: { code: 486 },
      },
    });
    expect((await gateway.get(`/v1/sessions/${id}`)).body).toMatchObject({ user: null, state: 'active' });
    expect(gateway.log.filter(({ message }) => message === 'Session limit exceeded')).toEqual([
      expect.objectContaining({ username: 'alice', current_sessions: 2, max_sessions: 2, call_id: id }),
    ]);
  });

  it('ends the oldest session of the user where that is the policy, and logs it', async () => {
    for (const id of ['a', 'b']) await admit(id, 'alice', {}, 'oldest');
    const id = await connect({}, 'oldest');
    expect((await authenticate(id, { user: 'alice' }, 'oldest')).status).toBe(200);
    expect((await gateway.get('/v1/sessions/a', of('oldest'))).body).toMatchObject({ endReason: 'evicted' });
    expect(gateway.log.map(({ message }) => message)).toContain('Terminated oldest session for new call');
  });

  it('answers 409 for another user, 404 and 410 for what is not live, 400 for what is no user', async () => {
    const id = await connect();
    await authenticate(id, { user: 'alice' });
    expect(await authenticate(id, { user: 'bob' })).toMatchObject({
      status: 409,
      body: { code: 'session-id-conflict' },
    });
    expect(await authenticate('nobody', { user: 'bob' })).toMatchObject({
      status: 404,
      body: { code: 'session-unknown' },
    });
    await gateway.delete(`/v1/sessions/${id}`);
    expect(await authenticate(id, { user: 'alice' })).toMatchObject({ status: 410, body: { code: 'session-ended' } });
    for (const body of [{}, { user: '' }, { user: 7 }, { user: '_default' }]) {
      expect((await authenticate(id, body)).status).toBe(400);
    }
  });

  it('takes the id from the body, and names unknown fields', async () => {
    const id = await connect();
    const { status, body } = await authenticate('-', { sessionId: id, user: 'alice', colour: 'red' });
    expect([status, body['warnings']]).toEqual([200, ['colour: unknown field, ignored']]);
  });

  it('finds the shard of the user, where there are several', async () => {
    const id = await connect({}, 'wide');
    expect(await authenticate(id, { user: MALLORY }, 'wide')).toMatchObject({ status: 200, body: { user: MALLORY } });
    expect(await gateway.get(`/v1/sessions/${id}`, of('wide'))).toMatchObject({ status: 200, body: { user: MALLORY } });
    expect((await gateway.post(`/v1/sessions/${id}/activity`, {}, of('wide'))).status).toBe(200);
  });
});

describe('POST /v1/sessions/{id}/transfer', () => {
  it('answers 200 with the session at its new node, and 200 again; it starts and ends when it did', async () => {
    const before = (await admit('c', 'alice', { node: 'b2bua-1', epoch: 5 })).body['session'] as object;
    for (let i = 0; i < 2; i++) {
      expect(await transfer('c', { node: 'b2bua-2', epoch: 6 })).toMatchObject({
        status: 200,
        body: { ...before, node: 'b2bua-2', epoch: 6 },
      });
    }
    expect(gateway.log.filter(({ message }) => message === 'Session transferred')).toEqual([
      expect.objectContaining({ session_id: 'c', user: 'alice', node: 'b2bua-2', epoch: 6 }),
    ]);
    expect(await books.keys('*commands*')).toEqual([]);
  });

  it('gives it a new id: the old one answers 410 then, and is shown as transferred', async () => {
    await admit('c');
    for (let i = 0; i < 2; i++) {
      const answer = await transfer('c', { node: 'b2bua-2', newId: 'd' });
      expect(answer).toMatchObject({ status: 200, body: { id: 'd', node: 'b2bua-2' } });
    }
    expect((await gateway.post('/v1/sessions/c/activity', {})).status).toBe(410);
    expect((await gateway.get('/v1/sessions/c')).body).toMatchObject({ state: 'ended', endReason: 'transferred' });
    expect((await gateway.post('/v1/sessions/d/activity', {})).status).toBe(200);
    expect(await gateway.metric('berth_sessions_ended_total{reason="transferred"}')).toBe(1);
  });

  it('answers 429 when the user who is to have it has no place left', async () => {
    for (const id of ['a', 'b']) await admit(id, 'bob');
    await admit('c');
    expect(await transfer('c', { node: 'n', user: 'bob' })).toMatchObject({
      status: 429,
      body: { code: 'user-limit-exceeded', limits: [{ key: 'bob', max: 2, active: 2 }] },
    });
  });

  it('answers 409 for a run that is over, and for a new id that is taken or has ended', async () => {
    for (const id of ['c', 'd']) await admit(id);
    await books.hset('berth:{default/0}:nodes', 'b2bua-2', '9');
    expect(await transfer('c', { node: 'b2bua-2', epoch: 8 })).toMatchObject({
      status: 409,
      body: { code: 'stale-epoch', currentEpoch: 9 },
    });
    expect(await transfer('c', { node: 'n', newId: 'd' })).toMatchObject({
      status: 409,
      body: { code: 'session-id-conflict' },
    });
    await gateway.delete('/v1/sessions/d');
    expect(await transfer('c', { node: 'n', newId: 'd' })).toMatchObject({
      status: 409,
      body: { code: 'session-ended' },
    });
  });

  it('answers 404 and 410 for what is not live, 400 for what is not valid', async () => {
    expect((await transfer('nobody', { node: 'n' })).status).toBe(404);
    await admit('c');
    await gateway.delete('/v1/sessions/c');
    expect(await transfer('c', { node: 'n' })).toMatchObject({ status: 410, body: { code: 'session-ended' } });
    for (const body of [
      {},
      { node: '' },
      { node: 'n', epoch: 0 },
      { node: 'n', newId: '' },
      { node: 'n', user: ' ' },
    ]) {
      expect((await transfer('c', body)).status).toBe(400);
    }
  });

  it('moves a session to the shard of another user, where there are several', async () => {
    await admit('c', ERIN, {}, 'wide');
    const answer = await transfer('c', { node: 'n', user: MALLORY, newId: 'd' }, 'wide');
    expect(answer).toMatchObject({ status: 200, body: { id: 'd', user: MALLORY } });
    expect((await transfer('c', { node: 'n', user: MALLORY, newId: 'd' }, 'wide')).status).toBe(200);
    expect((await gateway.post('/v1/sessions/c/activity', {}, of('wide'))).status).toBe(410);
  });
});

describe('a key that is bound to nodes', () => {
  const keys = { node: newKey(), admin: newKey() };
  const by = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });
  let guarded: Gateway;

  beforeAll(async () => {
    const configYaml = `
auth:
  keys:
    - { id: node, hash: '${keys.node.hash}', role: node, nodes: ['ssh-*'] }
    - { id: admin, hash: '${keys.admin.hash}', role: admin }
`;
    guarded = await startGateway(redis, { configYaml });
  });

  const start = (sessionId: string, node: string | undefined) =>
    guarded.post('/v1/sessions', { sessionId, protocol: 'ssh', node }, by(keys.admin));
  const post = (path: string, body: object) => guarded.post(`/v1/sessions/${path}`, body, by(keys.node));

  it('hands over between its nodes, and neither takes from others nor gives to them', async () => {
    await start('mine', 'ssh-1');
    await start('foreign', 'web-1');
    expect((await post('mine/transfer', { node: 'ssh-2' })).status).toBe(200);
    expect((await post('mine/transfer', { node: 'web-1' })).status).toBe(403);
    expect((await post('foreign/transfer', { node: 'ssh-1' })).status).toBe(403);
  });

  it('touches no session of another node, nor of none, that has no user yet', async () => {
    await start('foreign', 'web-1');
    await start('loose', undefined);
    for (const id of ['foreign', 'loose']) {
      expect((await post(`${id}/authenticate`, { user: 'alice' })).status).toBe(403);
      expect((await post(`${id}/end`, {})).status).toBe(403);
    }
  });
});
