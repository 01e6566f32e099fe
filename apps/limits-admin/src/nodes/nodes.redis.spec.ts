import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { NodesStore } from '#session-core';
import { describeWith } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT, Fleet } from '../limits-admin.fixture.js';

const { nodes: POLICY } = loadConfig({ env: {}, cwd: '/' });

describeWith(['redis-server'], 'nodes over the admin API', () => {
  let client: Redis;
  let admin: Admin;
  let nodes: NodesStore;
  let nowMs: number;
  let log: string[];
  let start: AdminSuite['start'];

  forEachTest(async (suite) => {
    ({ client, log, start } = suite);
    admin = await start();
    nowMs = Date.now();
    nodes = new NodesStore({
      client,
      deadlineMs: 60_000,
      tombstoneMs: 60_000,
      policy: POLICY,
      clockMs: () => nowMs,
    });
  });

  const beat = async (node: string, activeSessions?: number) =>
    await nodes.beat(DEFAULT_TENANT, { node, epoch: 1, activeSessions, via: 'http' });

  async function silence(ms: number) {
    for (let passed = 0; passed < ms; passed += 1_000) {
      nowMs += 1_000;
      await nodes.watch(DEFAULT_TENANT);
    }
  }

  it('lists none where none beats', async () => {
    expect((await admin.call('GET', '/nodes')).body).toEqual({ nodes: [], total: 0, page: 1, limit: 50 });
    expect((await admin.call('GET', '/fuses')).body).toEqual({ fuses: [], total: 0 });
  });

  it('lists each with its state, last beat, sessions and pending commands', async () => {
    await beat('b2bua-1', 7);
    const fleet = new Fleet(client);
    await fleet.admitAll('alice', 2);
    const [, first] = await client.zrange('berth:{default/0}:deadlines', '0', '-1');
    expect((await admin.call('DELETE', `/${first}`)).status).toBe(200);
    const { body } = await admin.call('GET', '/nodes');
    expect(body).toMatchObject({
      nodes: [{ node: 'b2bua-1', epoch: 1, state: 'live', via: 'http', claimedSessions: 7, pendingCommands: 1 }],
      total: 1,
    });
    expect((body['nodes'] as { lastBeat: string }[])[0]?.lastBeat).toBe(new Date(nowMs).toISOString());
    await silence(40_000);
    expect((await admin.call('GET', '/nodes')).body).toMatchObject({ nodes: [{ state: 'lost', lastBeat: null }] });
    const metrics = (await admin.app.inject('/metrics')).payload;
    expect(metrics).toContain('berth_nodes{tenant="default",state="lost"} 1');
  });

  it('shows a fuse that has tripped, and lets an operator overrule it', async () => {
    const fleet = new Fleet(client);
    for (const node of ['n1', 'n2', 'n3', 'n4']) {
      await beat(node);
      await fleet.admit(node, `call of ${node}`, {}, { node });
    }
    await silence(60_000);
    expect((await admin.call('GET', '/fuses')).body).toMatchObject({
      fuses: [{ id: 'nodes', kind: 'nodes', silent: 4, live: 4, allowedUntil: null }],
    });
    expect((await admin.app.inject('/metrics')).payload).toContain('berth_fuses_tripped{tenant="default"} 1');
    expect((await admin.call('POST', '/fuses/nodes/allow')).body).toMatchObject({ success: true });
    nowMs = Date.now();
    await silence(2_000);
    expect((await admin.call('GET', '/nodes')).body).toMatchObject({ total: 4 });
  });

  it('forgets a node: ends what it holds with its caller, and its next epoch may be any', async () => {
    await beat('b2bua-1');
    const fleet = new Fleet(client);
    for (let i = 0; i < 60; i += 1) await fleet.admit(`user-${i}`);
    const forgotten = await admin.call('DELETE', '/nodes/b2bua-1', { reason: 'its clock was set back' });
    expect(forgotten).toMatchObject({ status: 200, body: { success: true, terminated: 60 } });
    expect((await admin.call('GET', '/nodes')).body).toMatchObject({ nodes: [], total: 0 });
    expect((await admin.call('GET', '/active')).body).toMatchObject({ sessions: [] });
    const events = await client.xrange('berth:{default/0}:events', '-', '+');
    const ended = events.filter(([, flat]) => flat.includes('session.ended'));
    expect(ended).toHaveLength(60);
    for (const [, flat] of ended) expect(flat).toEqual(expect.arrayContaining(['killed', 'by']));
    expect(await client.hlen('berth:{default/0}:commands:b2bua-1')).toBe(60);
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    const [logged] = lines.filter(({ message }) => message === 'Node forgotten by admin');
    expect(logged).toMatchObject({ tenant: 'default', node: 'b2bua-1', sessions: 60, note: 'its clock was set back' });
    expect(logged?.['by']).toEqual(expect.any(String));
    expect(lines.filter(({ message }) => message === 'Session killed by admin')).toHaveLength(60);
    expect((await admin.call('DELETE', '/nodes/b2bua-1')).status).toBe(404);
    expect(await nodes.beat(DEFAULT_TENANT, { node: 'b2bua-1', epoch: 1, via: 'http' })).toMatchObject({
      kind: 'beat',
    });
  });

  it('forgets a node that never beat, one with a hostile name, and none that is unknown or no name', async () => {
    await new Fleet(client).admit('alice', 'a call', {}, { node: 'n/1:%' });
    expect((await admin.call('DELETE', `/nodes/${encodeURIComponent('n/1:%')}`)).body).toMatchObject({ terminated: 1 });
    expect((await admin.call('DELETE', '/nodes/nobody')).body).toMatchObject({ code: 'not-found' });
    expect((await admin.call('DELETE', `/nodes/${'n'.repeat(129)}`)).status).toBe(400);
  });

  it('drains a node and takes it back: at once, in the list and the metrics, over restarts, with its caller in the log', async () => {
    await beat('b2bua-1');
    const fleet = new Fleet(client);
    await fleet.admitAll('alice', 2);
    const drained = await admin.call('PUT', '/nodes/b2bua-1', { draining: true });
    expect(drained).toMatchObject({
      status: 200,
      body: { success: true, node: 'b2bua-1', draining: true, sessions: 2 },
    });
    expect(await fleet.admit('alice')).toEqual({ kind: 'node-draining' });
    expect((await admin.call('PUT', '/nodes/never-beat', { draining: true })).body).toMatchObject({ sessions: 0 });

    const restarted = await start();
    const { body } = await restarted.call('GET', '/nodes');
    expect(body).toMatchObject({
      nodes: [
        { node: 'b2bua-1', state: 'live', draining: true, sessions: 2 },
        { node: 'never-beat', state: 'unwatched', draining: true, epoch: null, since: null, via: null },
      ],
      total: 2,
    });
    const metrics = (await restarted.app.inject('/metrics')).payload;
    expect(metrics).toContain('berth_nodes{tenant="default",state="draining"} 2');

    for (let i = 0; i < 2; i += 1) {
      const taken = await restarted.call('PUT', '/nodes/b2bua-1', { draining: false });
      expect(taken.body).toMatchObject({ draining: false, message: expect.stringContaining('holds 2') });
    }
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    const ofNodes = lines.filter(({ message }) => String(message).startsWith('Node'));
    expect(ofNodes[0]).toMatchObject({ message: 'Node drained by admin', node: 'b2bua-1', sessions: 2, by: 'local' });
    expect(ofNodes.at(-1)).toMatchObject({ message: 'Node taken back into service by admin', node: 'b2bua-1' });
  });

  it.each([[{}], [{ draining: null }], [{ draining: 'true' }], [{ draining: 1 }], [[]], ['true']])(
    'drains nothing for a body of %j',
    async (body) => {
      const answer = await admin.call('PUT', '/nodes/b2bua-1', body);
      expect([answer.status, answer.body['code']]).toEqual([400, 'invalid-request']);
      expect((await admin.call('GET', '/nodes')).body).toMatchObject({ total: 0 });
    },
  );

  it('counts nodes of which an older run still speaks', async () => {
    await nodes.beat(DEFAULT_TENANT, { node: 'b2bua-1', epoch: 2, via: 'http' });
    await beat('b2bua-1');
    const metrics = (await admin.app.inject('/metrics')).payload;
    expect(metrics).toContain('berth_nodes{tenant="default",state="contested"} 1');
  });

  it('knows no fuse that has not tripped, and takes neither word for the id of a session', async () => {
    expect((await admin.call('POST', '/fuses/nodes/allow')).status).toBe(404);
    expect((await admin.call('POST', '/fuses/snapshot%2Fb2bua-1/allow')).status).toBe(404);
    expect((await admin.call('DELETE', '/nodes')).status).toBe(404);
    expect((await admin.call('DELETE', '/fuses')).status).toBe(404);
  });
});
