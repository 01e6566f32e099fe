import { describe, expect, it } from '@jest/globals';

import { newKey, type NewKey } from '#service-kit';

import { type Gateway, onOneGateway } from './gateway.fixture.js';

const keys = { node: newKey(), urgent: newKey(), admin: newKey(), viewer: newKey(), other: newKey() };
const CONFIG = `
tenants: { other: { limits: { max_sessions_per_user: 1 } } }
auth:
  keys:
    - { id: node, hash: '${keys.node.hash}', role: node, nodes: ['b2bua-*'] }
    - { id: urgent, hash: '${keys.urgent.hash}', role: node, emergency: true }
    - { id: admin, hash: '${keys.admin.hash}', role: admin }
    - { id: viewer, hash: '${keys.viewer.hash}', role: viewer }
    - { id: other, hash: '${keys.other.hash}', role: node, tenant: other }
`;

let gateway: Gateway;

onOneGateway({ configYaml: CONFIG }, (suite) => {
  ({ gateway } = suite);
});

const by = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });
const admit = (key: NewKey, body: object) => gateway.post('/v1/sessions', { user: 'alice', ...body }, by(key));

describe('with keys', () => {
  it('needs one for every call', async () => {
    for (const path of ['/v1/sessions', '/v1/sessions:check', '/v1/sessions/x/end', '/v1/sessions/-/confirm']) {
      expect((await gateway.post(path, { user: 'alice' })).status).toBe(401);
    }
  });

  it('lets a node admit for the nodes of its key, and for no other', async () => {
    expect((await admit(keys.node, { sessionId: 'a', node: 'b2bua-1' })).status).toBe(201);
    expect(await admit(keys.node, { sessionId: 'b', node: 'proxy-1' })).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });

  it('lets a key that is bound to nodes touch only the sessions of these nodes, and admit none without a node', async () => {
    expect((await admit(keys.node, { sessionId: 'nowhere' })).status).toBe(403);
    await admit(keys.admin, { sessionId: 'foreign', user: 'dave', node: 'proxy-1' });
    await admit(keys.admin, { sessionId: 'loose', user: 'dave' });
    for (const id of ['foreign', 'loose']) {
      for (const verb of ['confirm', 'activity', 'end']) {
        expect((await gateway.post(`/v1/sessions/${id}/${verb}`, {}, by(keys.node))).status).toBe(403);
      }
      const takeOver = { sessionId: id, user: 'dave', node: 'b2bua-1', attempt: 2 };
      expect((await admit(keys.node, takeOver)).status).toBe(403);
      expect((await gateway.get(`/v1/sessions/${id}`, by(keys.admin))).body).toMatchObject({
        state: 'active',
        attempt: 1,
      });
    }
    await admit(keys.node, { sessionId: 'own', user: 'dave', node: 'b2bua-2' });
    expect((await gateway.post('/v1/sessions/own/end', {}, by(keys.node))).status).toBe(204);
    expect((await gateway.post('/v1/sessions/own/end', {}, by(keys.node))).status).toBe(204);
    expect((await gateway.post('/v1/sessions/nobody/end', {}, by(keys.node))).status).toBe(404);
    expect((await gateway.post('/v1/sessions/nobody/end', {}, by(keys.node))).status).toBe(204);
  });

  it('counts what passed a full limit as overshoot', async () => {
    for (let i = 0; i < 6; i++) await admit(keys.urgent, { sessionId: `e${i}`, user: 'erin', priority: 'emergency' });
    const { payload } = await gateway.app.inject({ url: '/metrics', headers: by(keys.viewer) });
    expect(payload).toMatch(/^berth_overshoot_total\{.*cause="emergency".*\} 1$/m);
  });

  it('lets only admins and keys with emergency: true ask for emergency sessions', async () => {
    const emergency = { priority: 'emergency' };
    expect((await admit(keys.node, emergency)).status).toBe(403);
    expect((await admit(keys.urgent, emergency)).status).toBe(201);
    expect((await admit(keys.admin, emergency)).status).toBe(201);
    expect((await gateway.post('/v1/sessions:check', { user: 'a', ...emergency }, by(keys.node))).status).toBe(403);
  });

  it('lets a viewer look and nothing else', async () => {
    await admit(keys.node, { sessionId: 'seen', node: 'b2bua-1' });
    expect((await gateway.get('/v1/sessions/seen', by(keys.viewer))).status).toBe(200);
    expect((await admit(keys.viewer, {})).status).toBe(403);
    expect((await gateway.post('/v1/sessions/seen/end', {}, by(keys.viewer))).status).toBe(403);
  });

  it('keeps tenants apart: the same id and user are two sessions', async () => {
    expect((await admit(keys.node, { sessionId: 'same', user: 'carol', node: 'b2bua-1' })).status).toBe(201);
    expect((await admit(keys.other, { sessionId: 'same', user: 'carol' })).body).toMatchObject({
      session: { tenant: 'other' },
      limits: [{ key: 'carol', max: 1, active: 1 }],
    });
    await gateway.post('/v1/sessions/same/end', {}, by(keys.other));
    expect((await gateway.get('/v1/sessions/same', by(keys.node))).body).toMatchObject({ state: 'active' });
    expect((await gateway.get('/v1/sessions/same', { ...by(keys.node), 'berth-tenant': 'other' })).status).toBe(403);
  });
});
