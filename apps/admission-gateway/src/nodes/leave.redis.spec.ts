import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { newKey } from '#service-kit';
import { describeWith } from '#testing';

import { type Gateway, onNewGateways } from '../gateway.fixture.js';

const LEAVE = '/v1/nodes/b2bua-1/leave';
const own = newKey();
const SHARDS = `
limits: { max_sessions_per_user: 0 }
tenants: { default: { shards: 3 } }
`;
const KEYS = `
auth:
  keys:
    - { id: own, role: node, nodes: ['b2bua-*'], hash: '${own.hash}' }
`;

describeWith(['redis-server'], 'a node that leaves over HTTP', () => {
  let gateway: Gateway;
  let books: Redis;

  onNewGateways({ configYaml: SHARDS }, (suite) => {
    ({ books, gateway } = suite);
  });

  const beat = async (epoch: number, node = 'b2bua-1') => await gateway.post(`/v1/nodes/${node}/heartbeat`, { epoch });
  const logged = (message: string) => gateway.log.filter((line) => line['message'] === message);

  it('is answered 204, and 204 again, when what it holds has ended in every shard', async () => {
    await beat(5);
    const ids = Array.from({ length: 60 }, (_, i) => `call-${i}`);
    for (const sessionId of ids) await gateway.admit({ sessionId, user: sessionId, node: 'b2bua-1', epoch: 5 });
    await gateway.admit({ sessionId: 'other', node: 'b2bua-2', epoch: 5 });
    expect(await gateway.post(LEAVE, { epoch: 5 })).toMatchObject({ status: 204, body: {} });
    for (const id of ids) {
      const { body } = await gateway.get(`/v1/sessions/${id}`);
      expect(body).toMatchObject({ state: 'ended', endReason: 'completed' });
    }
    expect((await gateway.get('/v1/sessions/other')).body).toMatchObject({ state: 'active' });
    expect((await gateway.post(LEAVE, { epoch: 5 })).status).toBe(204);
    expect(await gateway.metric('berth_sessions_ended_total{reason="completed"}')).toBe(60);
    expect(logged('Session removed')).toHaveLength(60);
    expect(logged('Node left')[0]).toMatchObject({ tenant: 'default', node: 'b2bua-1', epoch: 5 });
    expect(await books.keys('*departed*')).toEqual([]);
  });

  it('is unknown from then on to what is late of it, and known again with a larger epoch', async () => {
    await beat(5);
    expect((await gateway.post(LEAVE, { epoch: 5 })).status).toBe(204);
    const late = { user: 'alice', node: 'b2bua-1', epoch: 5 };
    const event = { v: 1, type: 'session.started', sessionId: 'late', ...late };
    for (const answer of [
      await beat(5),
      await gateway.admit(late),
      await gateway.admit({ ...late, epoch: undefined }),
      await gateway.post('/v1/nodes/b2bua-1/sessions', { epoch: 5, mark: String(Date.now()), none: true }),
    ]) {
      expect([answer.status, answer.body['code'], answer.body['currentEpoch']]).toEqual([409, 'stale-epoch', 5]);
    }
    const { body } = await gateway.post('/v1/events', { events: [event] });
    expect(body['results']).toMatchObject([{ status: 409, code: 'stale-epoch' }]);
    expect((await beat(6)).status).toBe(200);
    expect((await gateway.admit({ ...late, epoch: 6 })).status).toBe(201);
    expect((await gateway.post(LEAVE, { epoch: 5 })).body).toMatchObject({ code: 'stale-epoch', currentEpoch: 6 });
  });

  it.each([
    [{}, 'epoch'],
    [{ epoch: '5' }, 'epoch'],
    [{ epoch: 0 }, 'epoch'],
    [{ epoch: Number.MAX_SAFE_INTEGER }, 'epoch'],
  ])('with %j is refused with the path %s', async (body, path) => {
    const answer = await gateway.post(LEAVE, body);
    expect([answer.status, (answer.body['errors'] as { path: string }[])[0]?.path]).toEqual([400, path]);
  });

  it('has its commands dropped', async () => {
    await beat(5);
    await gateway.admit({ sessionId: 'c1', attempt: 1, node: 'b2bua-1', epoch: 5 });
    // A call that was answered, and whose id is tried anew, is to be hung up.
    await gateway.admit({ sessionId: 'c1', attempt: 2, node: 'b2bua-2' });
    const poll = async () => (await gateway.post('/v1/nodes/b2bua-1/commands:poll', {})).body;
    expect(await poll()).toMatchObject({ commands: [{ sessionId: 'c1', attempt: 1 }] });
    await gateway.post(LEAVE, { epoch: 5 });
    expect(await poll()).toMatchObject({ commands: [] });
  });
});

describeWith(['redis-server'], 'keys that are bound to nodes', () => {
  let gateway: Gateway;

  onNewGateways({ configYaml: KEYS }, (suite) => {
    ({ gateway } = suite);
  });

  it('may have their own nodes leave, and no others', async () => {
    const leave = async (node: string) =>
      await gateway.post(`/v1/nodes/${node}/leave`, { epoch: 5 }, { authorization: `Bearer ${own.key}` });
    expect((await leave('b2bua-7')).status).toBe(204);
    expect(await leave('proxy-1')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });
});
