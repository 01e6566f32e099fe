import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { operationsOfApp, RIGHTS, type BoundKeys } from '#service-kit';
import { shardKeys } from '#session-core';
import { eventually } from '#testing';

import { forEachTest } from './admin-suite.fixture.js';
import { AppModule } from './app.module.js';
import { get, startWithHistory } from './history/api/history.fixture.js';
import { keysOfEveryKind } from './keys.fixture.js';
import { type Admin, DEFAULT_TENANT, Fleet } from './limits-admin.fixture.js';

const kinds = keysOfEveryKind();
const viewer = kinds.by('viewer', true);
const boundAdmin = kinds.by('admin', true);
const anyAdmin = kinds.by('admin');

let admin: Admin;
let fleet: Fleet;

/** On a node of the bound keys, on another's, on none. */
const NODES = { own: 'b2bua-1', foreign: 'proxy-1', loose: null };

let client: Redis;

forEachTest(async (suite) => {
  ({ client, fleet } = suite);
  ({ admin } = await startWithHistory(suite.start, 'memory:', { config: { auth: kinds.auth } }));
  for (const [id, node] of Object.entries(NODES)) {
    await fleet.admit('alice', id, {}, { node, epoch: node === null ? null : 1 });
  }
});

async function ids(path: string, headers = viewer): Promise<string[]> {
  const { status, body } = await get(admin, `/api/sessions${path}`, headers);
  expect([path, status]).toEqual([path, 200]);
  return (body['sessions'] as { id: string }[]).map(({ id }) => id).toSorted();
}

async function inHistory(url: string, headers = viewer) {
  const { status, body } = await get(admin, url, headers);
  expect([url, status]).toEqual([url, 200]);
  return { total: body['total'], ids: (body['data'] as { id: string }[]).map(({ id }) => id).toSorted() };
}

const live = async () => await ids('/active', anyAdmin);

/** What can be read by a right of which bound keys get so much, for alice and the node of the bound keys. */
const readable = (bound: BoundKeys) =>
  operationsOfApp(AppModule)
    .filter(({ method, right }) => method === 'GET' && right !== 'open' && RIGHTS[right].bound === bound)
    // Of a session by its id: session-attempts.redis.spec.ts.
    .filter(({ path }) => path !== '/api/sessions/{sessionId}')
    .map(({ path }) => path.replaceAll(/\{\w+\}/g, 'alice'));

describe("Keys bound to nodes read only their nodes' sessions", () => {
  it('in /active, with every filter and page by page', async () => {
    expect(await live()).toEqual(['foreign', 'loose', 'own']);
    for (const query of ['', '?username=alice', '?node=b2bua-1', '?username=alice&node=b2bua-1']) {
      expect([query, await ids(`/active${query}`)]).toEqual([query, ['own']]);
    }
    for (let i = 0; i < 5; i++) await fleet.admit('bob', `bob-${i}`, {}, { node: i % 2 === 0 ? 'b2bua-2' : 'proxy-1' });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await get(admin, `/api/sessions/active?limit=1&cursor=${cursor}`, viewer);
      seen.push(...(body['sessions'] as { id: string }[]).map(({ id }) => id));
      cursor = body['nextCursor'] as string | null;
    }
    expect(seen.toSorted()).toEqual(['bob-0', 'bob-2', 'bob-4', 'own']);
  });

  it("and get 403 where they ask for another node's", async () => {
    expect(await get(admin, '/api/sessions/active?node=proxy-1', viewer)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', error: expect.stringContaining('auth.keys.nodes') },
    });
  });

  it('not those whose record cannot be decoded, since nobody knows where they are', async () => {
    await client.set(shardKeys(DEFAULT_TENANT, 0).session('loose'), 'no record');
    expect(await live()).toEqual(['foreign', 'loose', 'own']);
    expect(await ids('/active')).toEqual(['own']);
    expect(await ids('/active?username=alice')).toEqual(['own']);
  });

  it('in history, its pages and its exports, live and ended', async () => {
    const urls = ['/api/sessions/history', '/api/users/alice/sessions', '/api/sessions/history?hours=1&user=alice'];
    await eventually(async () => expect((await inHistory(urls[0]!, anyAdmin)).total).toBe(3));
    for (const url of [...urls, '/api/users/alice/sessions?status=active']) {
      expect([url, await inHistory(url)]).toEqual([url, { total: 1, ids: ['own'] }]);
    }
    for (const id of Object.keys(NODES)) await admin.call('DELETE', `/${id}`, undefined, anyAdmin);
    await eventually(async () => {
      expect((await inHistory('/api/sessions/history?status=closed', anyAdmin)).total).toBe(3);
    });
    for (const url of [...urls, '/api/sessions/history?status=closed']) {
      expect([url, await inHistory(url)]).toEqual([url, { total: 1, ids: ['own'] }]);
    }
    for (const format of ['csv', 'jsonl']) {
      const url = `/api/sessions/history/export?format=${format}`;
      const { payload } = await admin.app.inject({ url, headers: viewer });
      expect([payload.includes('own'), payload.includes('foreign'), payload.includes('loose')]).toEqual([
        true,
        false,
        false,
      ]);
    }
  });

  it("whichever the call, of those that show what is of a key's nodes", async () => {
    await client.zadd('berth:{default}:heartbeats', Date.now(), 'proxy-1');
    await eventually(async () => expect((await inHistory('/api/sessions/history', anyAdmin)).total).toBe(3));
    const open = readable('their nodes');
    expect(open.length).toBeGreaterThan(4);
    for (const url of open) {
      const answer = await admin.app.inject({ url, headers: viewer });
      expect([url, answer.statusCode, answer.payload.match(/foreign|loose|proxy-1/)]).toEqual([url, 200, null]);
      const all = await admin.app.inject({ url, headers: anyAdmin });
      expect([url, all.payload.match(/foreign|proxy-1/)]).not.toEqual([url, null]);
    }
  });

  it('in the list of nodes, which is of theirs', async () => {
    const heartbeats = 'berth:{default}:heartbeats';
    await client.zadd(heartbeats, Date.now(), 'b2bua-1', Date.now(), 'proxy-1');
    expect((await get(admin, '/api/sessions/nodes', anyAdmin)).body).toMatchObject({ total: 2 });
    expect((await get(admin, '/api/sessions/nodes', viewer)).body).toMatchObject({
      total: 1,
      nodes: [{ node: 'b2bua-1' }],
    });
  });

  it('and end only those: one by one, all of a user, all of a node', async () => {
    for (const id of ['foreign', 'loose']) {
      expect((await admin.call('DELETE', `/${id}`, undefined, boundAdmin)).status).toBe(403);
      expect((await admin.call('POST', `/${id}/terminate`, {}, boundAdmin)).status).toBe(403);
    }
    expect((await admin.call('DELETE', '/nodes/proxy-1', undefined, boundAdmin)).status).toBe(403);
    expect((await admin.call('PUT', '/nodes/proxy-1', { draining: true }, boundAdmin)).status).toBe(403);
    expect(await live()).toEqual(['foreign', 'loose', 'own']);
    await fleet.admit('alice', 'own-2');
    expect((await admin.call('DELETE', '/own', undefined, boundAdmin)).status).toBe(200);
    expect((await admin.call('DELETE', '/own', undefined, boundAdmin)).status).toBe(404);
    expect((await admin.call('DELETE', '/users/alice/sessions', undefined, boundAdmin)).body).toMatchObject({
      terminated: 1,
    });
    expect(await live()).toEqual(['foreign', 'loose']);
  });

  it('and end all of a user that are theirs, though there are more than go in one piece', async () => {
    await admin.call('PUT', '/limits/bob', { limit: 0 }, anyAdmin);
    for (let i = 0; i < 250; i++)
      await fleet.admit('bob', `bob-${i}`, {}, { node: i % 5 === 0 ? 'proxy-1' : 'b2bua-7' });
    const { body } = await admin.call('DELETE', '/users/bob/sessions', undefined, boundAdmin);
    expect(body).toMatchObject({ terminated: 200 });
    expect((await ids('/active?username=bob&limit=1000', anyAdmin)).length).toBe(50);
  });

  it('and neither change limits nor see what the whole tenant adds up to', async () => {
    const operator = kinds.by('operator', true);
    expect((await admin.call('PUT', '/limits', { max_total_sessions: 1, on_lower: 'trim_now' }, operator)).status).toBe(
      403,
    );
    const closed = readable('nothing');
    expect(closed.length).toBeGreaterThan(10);
    for (const path of closed) expect([path, (await get(admin, path, viewer)).status]).toEqual([path, 403]);
    expect((await get(admin, '/api/sessions/limits', viewer)).status).toBe(200);
    expect(await live()).toEqual(['foreign', 'loose', 'own']);
  });
});
