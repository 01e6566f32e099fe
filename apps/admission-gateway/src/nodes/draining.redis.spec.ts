import { beforeEach, expect, it } from '@jest/globals';

import { NodesStore } from '#session-core';
import { loadConfig } from '#config';
import { describeWith } from '#testing';

import { type Gateway, onNewGateways, startGateway } from '../gateway.fixture.js';

const TENANT = { name: 'default', shards: 1 };
const { nodes: policy } = loadConfig({ env: {}, cwd: '/' });
const REFUSED = { code: 'node-draining', status: 409, sip: { code: 503, reason: 'Service Unavailable' } };

describeWith(['redis-server'], 'a node that an operator drains', () => {
  let gateway: Gateway;
  let another: () => Promise<Gateway>;
  let drain: (draining: boolean) => Promise<void>;

  onNewGateways({}, (suite) => {
    ({ gateway } = suite);
    another = async () => await startGateway(suite.redis);
    const nodes = new NodesStore({ client: suite.books, deadlineMs: 10_000, tombstoneMs: 60_000, policy });
    drain = async (draining) => await nodes.drains.set(TENANT, 'b2bua-1', draining);
  });

  const call = { user: 'alice', node: 'b2bua-1', epoch: 5 };

  beforeEach(async () => {
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 });
    await gateway.admit({ ...call, sessionId: 'before' });
    await drain(true);
  });

  it('refuses new sessions with what the caller is to hear, by every gateway, also one that starts later', async () => {
    for (const one of [gateway, await another()]) {
      expect(await one.admit(call)).toMatchObject({ status: 409, body: REFUSED });
      expect((await one.post('/v1/sessions:check', { ...call, sessionId: 'new' })).body).toMatchObject(REFUSED);
    }
    const sample = 'berth_admissions_total{decision="node-draining",reason="node-draining"}';
    expect(await gateway.metric(sample)).toBe(1);
    await drain(false);
    expect((await gateway.admit(call)).status).toBe(201);
  });

  it('answers a retry with 200, takes beats, and lets its calls be confirmed, renewed and ended', async () => {
    expect((await gateway.admit({ ...call, sessionId: 'before' })).status).toBe(200);
    expect((await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 5 })).status).toBe(200);
    for (const verb of ['confirm', 'activity']) {
      expect((await gateway.post(`/v1/sessions/before/${verb}`, {})).status).toBe(200);
    }
    expect((await gateway.post('/v1/sessions/before/end', {})).status).toBe(204);
  });

  it('is handed no call, and takes an emergency call', async () => {
    await gateway.admit({ sessionId: 'elsewhere', user: 'bob', node: 'b2bua-2' });
    const transfer = await gateway.post('/v1/sessions/elsewhere/transfer', { node: 'b2bua-1' });
    expect(transfer).toMatchObject({ status: 409, body: REFUSED });
    expect((await gateway.admit({ ...call, priority: 'emergency' })).status).toBe(201);
  });

  it('takes sessions again once it has left and begun anew', async () => {
    await gateway.post('/v1/nodes/b2bua-1/leave', { epoch: 5 });
    await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 6 });
    expect((await gateway.admit({ ...call, epoch: 6 })).status).toBe(201);
  });
});
