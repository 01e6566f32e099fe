import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { describeWith, eventually } from '#testing';

import { type Gateway, onNewGateways } from '../gateway.fixture.js';

describeWith(['redis-server'], 'nodes over HTTP', () => {
  let gateway: Gateway;
  let books: Redis;

  onNewGateways({}, (suite) => {
    ({ books, gateway } = suite);
  });

  it('a beat is answered with how often to beat, and the mark for a snapshot', async () => {
    const { status, body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5, activeSessions: 3 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ leaseSeconds: 15, beatSeconds: 5, snapshotWanted: true });
    expect(new Date(Number(body['mark'])).toISOString()).toBe(body['now']);
  });

  it('a beat of an older run is refused with the present one', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const { status, body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 4 });
    expect([status, body['code'], body['currentEpoch']]).toEqual([409, 'stale-epoch', 5]);
  });

  it('an admission for an older run is refused, for a newer one it ends what the older held', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const session = { user: 'alice', node: 'b2bua-1' };
    expect((await gateway.admit({ ...session, epoch: 5 })).status).toBe(201);
    const stale = await gateway.admit({ ...session, epoch: 4 });
    expect([stale.status, stale.body['code'], stale.body['currentEpoch']]).toEqual([409, 'stale-epoch', 5]);
    const check = await gateway.post('/v1/sessions:check', { ...session, sessionId: 'x', epoch: 4 });
    expect(check.body).toMatchObject({ code: 'stale-epoch', currentEpoch: 5 });
    expect((await gateway.admit({ ...session, epoch: 6 })).status).toBe(201);
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 6 });
    expect((await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 })).body).toMatchObject({ currentEpoch: 6 });
    expect(await gateway.metric('berth_admissions_total{decision="stale-epoch",reason="stale-epoch"}')).toBe(1);
  });

  it('an epoch of the future is refused with both clocks wherever it would begin a run, and its node goes on', async () => {
    const epoch = Number.MAX_SAFE_INTEGER;
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 1_763_700_000_000 });
    const real = { user: 'alice', node: 'b2bua-1', epoch: 1_763_700_000_000 };
    expect((await gateway.admit({ ...real, sessionId: 'call' })).status).toBe(201);
    const evil = { user: 'e', node: 'b2bua-1', epoch };
    const answers = [
      await gateway.admit({ ...evil, sessionId: 'evil' }),
      await gateway.post('/v1/sessions:check', { ...evil, sessionId: 'evil' }),
      await gateway.post('/v1/sessions/call/transfer', { node: 'b2bua-1', epoch }),
      await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch }),
      await gateway.post('/v1/nodes/another/heartbeat', { epoch: 1_000 * Date.now() }),
    ];
    for (const { status, body } of answers) {
      expect([status, body['code']]).toEqual([400, 'invalid-request']);
      expect(body['errors']).toMatchObject([{ path: 'epoch', message: expect.stringContaining('microseconds') }]);
      const [{ message }] = body['errors'] as [{ message: string }];
      expect(message).toContain(new Date().toISOString().slice(0, 13));
    }
    const event = { v: 1, type: 'session.started', ...evil, sessionId: 'evil' };
    const { body } = await gateway.post('/v1/events', { events: [event] });
    expect(body['results']).toMatchObject([{ status: 400, code: 'invalid-request' }]);
    expect((await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 1_763_700_000_000 })).status).toBe(200);
    expect((await gateway.get('/v1/sessions/call')).status).toBe(200);
    expect((await gateway.get('/v1/sessions/evil')).status).toBe(404);
  });

  it('a session without an epoch joins the run that beats', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const { status, body } = await gateway.admit({ user: 'alice', node: 'b2bua-1' });
    expect([status, body['session']]).toEqual([201, expect.objectContaining({ node: 'b2bua-1', epoch: 5 })]);
  });

  it('an older run that still speaks, by whatever call, is refused, and one warning names both runs', async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    const old = { user: 'alice', node: 'b2bua-1', epoch: 4 };
    const { body } = await gateway.admit({ ...old, node: 'b2bua-2' });
    const id = (body['session'] as { id: string }).id;
    const answers = [
      await gateway.admit(old),
      await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 4 }),
      await gateway.post(`/v1/sessions/${id}/transfer`, { node: 'b2bua-1', epoch: 4 }),
      await gateway.post('/v1/nodes/b2bua-1/sessions', { epoch: 4, mark: String(Date.now()), none: true }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409, 409]);
    const event = { v: 1, type: 'session.started', ...old, sessionId: 'late' };
    const { body: applied } = await gateway.post('/v1/events', { events: [event] });
    expect(applied['results']).toMatchObject([{ status: 409, code: 'stale-epoch' }]);
    const warnings = gateway.log.filter(({ message }) => String(message).startsWith('Node contested'));
    expect(warnings).toMatchObject([{ tenant: 'default', node: 'b2bua-1', epoch: 4, current_epoch: 5 }]);
  });

  it('names with a percent escape are decoded once', async () => {
    await gateway.post(`/v1/nodes/${encodeURIComponent('a/b %41')}/heartbeat`, { epoch: 5 });
    expect(await books.zrange('berth:{default}:heartbeats', '0', '-1')).toEqual(['a/b %41']);
  });

  it.each([
    [{}, 'epoch'],
    [{ epoch: '5' }, 'epoch'],
    [{ epoch: 0 }, 'epoch'],
    [{ epoch: 1.5 }, 'epoch'],
    [{ epoch: 5, activeSessions: -1 }, 'activeSessions'],
  ])('a beat with %j is refused with the path %s', async (body, path) => {
    const answer = await gateway.post('/v1/nodes/b2bua-1/heartbeat', body);
    expect([answer.status, (answer.body['errors'] as { path: string }[])[0]?.path]).toEqual([400, path]);
  });

  it('a name that is too long is refused, and a field that nobody knows is named', async () => {
    expect((await gateway.post(`/v1/nodes/${'n'.repeat(129)}/heartbeat`, { epoch: 5 })).status).toBe(400);
    const { body } = await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5, load: 3 });
    expect(body['warnings']).toEqual(['load: unknown field, ignored']);
  });

  it('says of itself that beats can arrive', async () => {
    await eventually(async () => expect(await books.hget('berth:{default}:watch', 'open_at')).not.toBeNull());
    await eventually(async () => expect(await books.hget('berth:{default/0}:pulse', 'at')).not.toBeNull());
  });
});
