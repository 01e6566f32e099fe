import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { eventually, freePort } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { SETTINGS, startWithHistory } from '../history/api/history.fixture.js';
import { keysOfEveryKind } from '../keys.fixture.js';
import { DEFAULT_TENANT, encoded, Fleet, type Admin } from '../limits-admin.fixture.js';

interface Shown {
  live: { id: string; attempt: number; state: string }[];
  ended: Record<string, unknown>[];
  refusals: Record<string, unknown>[];
  history: string;
  total: number;
}

let admin: Admin;
let fleet: Fleet;
let client: Redis;
let start: AdminSuite['start'];

forEachTest((suite) => {
  ({ client, fleet, start } = suite);
});

async function shown(id: string, headers = {}): Promise<Shown> {
  const { status, body } = await admin.call('GET', `/${encoded(id)}`, undefined, headers);
  expect([id, status]).toEqual([id, 200]);
  return body as unknown as Shown;
}

const end = async (sessionId: string, attempt = 1) =>
  await fleet.store.end(
    DEFAULT_TENANT,
    { sessionId },
    { attempt, reason: 'completed', note: 'bye', by: 'node', totals: { bytesSent: 7 } },
  );

/** What begins within one millisecond under one id shares a row of history. */
async function nextMs(): Promise<void> {
  const now = async () => {
    const [seconds, micros] = await client.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  };
  const first = await now();
  while ((await now()) === first);
}

/** Until history has so many rows of the id. */
const inHistory = async (id: string, count: number, status = '') =>
  await eventually(async () => {
    const { body } = await admin.call('GET', `/history?session_id=${encoded(id)}&status=${status}`);
    expect(body['total']).toBe(count);
  });

describe('GET /api/sessions/{id}', () => {
  it('shows every attempt once, live by the books and ended by history, and the refusals', async () => {
    ({ admin } = await startWithHistory(start));
    await admin.call('PUT', '/limits/alice', { limit: 1 });
    const facts = {
      sourceIp: '192.0.2.10',
      destination: 'example.com:443',
      correlationId: 'leg-1',
      metadata: { a: 1 },
    };
    await fleet.admit('alice', 'call', facts, { groups: ['trunk:west'] });
    await end('call');
    await fleet.admit('alice', 'other');
    await nextMs();
    expect((await fleet.admit('alice', 'call', facts, { attempt: 2 })).kind).toBe('rejected');
    await end('other');
    await nextMs();
    await fleet.admit('alice', 'call', facts, { attempt: 3, node: 'b2bua-2' });
    await inHistory('call', 3);
    await inHistory('call', 1, 'closed');
    const all = await shown('call');
    expect(all).toMatchObject({
      id: 'call',
      live: [{ id: 'call', attempt: 3, state: 'active', node: 'b2bua-2', correlationId: 'leg-1' }],
      ended: [
        {
          id: 'call',
          attempt: 1,
          node: 'b2bua-1',
          status: 'closed',
          close_reason: 'completed',
          note: 'bye',
          bytes_sent: 7,
          source_ip: '192.0.2.10',
          dest_ip: 'example.com',
          dest_port: 443,
          groups: ['trunk:west'],
          correlation_id: 'leg-1',
          metadata: { a: 1 },
        },
      ],
      refusals: [
        {
          user: 'alice',
          status: 'rejected_by_limit',
          node: 'b2bua-1',
          source_ip: '192.0.2.10',
          correlation_id: 'leg-1',
          limits: [{ scope: 'user', key: 'alice', max: 1, active: 1, action: 'reject' }],
          count: 1,
        },
      ],
      history: 'kept',
      total: 3,
    });
    await end('call', 3);
    await inHistory('call', 2, 'closed');
    const after = await shown('call');
    expect(after.live).toEqual([]);
    expect(after.ended.map(({ attempt }) => attempt)).toEqual([3, 1]);
  });

  it.each([
    'a/b',
    '/',
    '..',
    'a%2Fb',
    '100%',
    'a?b#c;d',
    'a b&c=d+e',
    '"quoted"@[2001:db8::1]',
    'é漢😀',
    "x' or 1=1 --",
    'x'.repeat(256),
  ])('finds the session %s by its path and by its query, live and ended', async (id) => {
    ({ admin } = await startWithHistory(start));
    await fleet.admit('alice', id);
    const asked = async () => {
      const { status, body } = await admin.call('GET', `/-?session_id=${encoded(id)}`);
      return [status, body['id'], (body['live'] as unknown[]).length, (body['ended'] as unknown[]).length];
    };
    // Clients take dots out of paths before they ask.
    if (id !== '..') expect((await shown(id)).live).toMatchObject([{ id, state: 'active' }]);
    expect(await asked()).toEqual([200, id, 1, 0]);
    await end(id);
    await inHistory(id, 1, 'closed');
    if (id !== '..') expect((await shown(id)).ended).toMatchObject([{ id, status: 'closed' }]);
    expect(await asked()).toEqual([200, id, 0, 1]);
  });

  it('finds a session whose id is a word of a path by the query alone', async () => {
    ({ admin } = await startWithHistory(start));
    for (const id of ['limits', 'history', '-']) {
      await fleet.admit('alice', id);
      expect((await admin.call('GET', `/-?session_id=${id}`)).body).toMatchObject({ id, live: [{ id }] });
    }
    expect((await admin.call('GET', '/limits')).body).toHaveProperty('max_sessions_per_user');
  });

  it.each([
    ['/nobody', 404, 'session-unknown'],
    ['/-?session_id=nobody', 404, 'session-unknown'],
    ['/-', 400, 'invalid-request'],
    ['/-?session_id=', 400, 'invalid-request'],
    ['/a?session_id=b', 400, 'invalid-request'],
    ['/%00', 400, 'invalid-request'],
    [`/${'x'.repeat(257)}`, 400, 'invalid-request'],
  ])('of %s answers %i %s', async (path, status, code) => {
    ({ admin } = await startWithHistory(start));
    expect(await admin.call('GET', path)).toMatchObject({ status, body: { code, error: expect.any(String) } });
  });

  it('knows how a session ended before history does', async () => {
    // The first batch is written at once, the next one not in this test.
    const history = { ...SETTINGS, batchIntervalMs: 3_600_000 };
    ({ admin } = await startWithHistory(start, 'memory:', { config: { history } }));
    await fleet.admit('alice', 'call', { sourceIp: '192.0.2.10' });
    await inHistory('call', 1, 'active');
    await end('call');
    await fleet.admit('bob', 'unseen');
    await end('unseen');
    expect(await shown('call')).toMatchObject({
      live: [],
      ended: [{ status: 'closed', close_reason: 'completed', source_ip: '192.0.2.10', note: 'bye', bytes_sent: 7 }],
      total: 1,
    });
    expect(await shown('unseen')).toMatchObject({ live: [], ended: [{ user: 'bob', status: 'closed' }], total: 0 });
  });

  it('shows without an end what is on the books no more and whose end is not known', async () => {
    ({ admin } = await startWithHistory(start));
    await fleet.admit('alice', 'call');
    await inHistory('call', 1, 'active');
    await client.del('berth:{default/0}:session:call');
    await client.zrem('berth:{default/0}:deadlines', 'call');
    expect(await shown('call')).toMatchObject({ live: [], ended: [{ status: 'active', end_time: null }] });
  });

  it('where no history is kept shows what the books have, and says so', async () => {
    admin = await start();
    await fleet.admit('alice', 'call');
    expect(await shown('call')).toMatchObject({ live: [{ id: 'call' }], ended: [], history: 'off', total: 0 });
    await end('call');
    expect(await shown('call')).toMatchObject({ live: [], ended: [{ close_reason: 'completed' }], history: 'off' });
    expect((await admin.call('GET', '/nobody')).status).toBe(404);
  });

  it('while history is away shows nothing: the books alone would look like all of it', async () => {
    const url = `postgres://postgres@127.0.0.1:${await freePort()}/berth`;
    admin = await start({ config: { history: { ...SETTINGS, url } } });
    await fleet.admit('alice', 'call');
    expect(await admin.call('GET', '/call')).toMatchObject({ status: 503, body: { code: 'history-unavailable' } });
  });

  it('shows a bound key what is of its nodes, and says so where none is', async () => {
    const kinds = keysOfEveryKind();
    const [viewer, bound] = [kinds.by('viewer'), kinds.by('viewer', true)];
    ({ admin } = await startWithHistory(start, 'memory:', { config: { auth: kinds.auth } }));
    await fleet.admit('alice', 'both', {}, { node: 'proxy-1' });
    await end('both');
    await nextMs();
    await fleet.admit('alice', 'both', {}, { attempt: 2 });
    await fleet.admit('alice', 'foreign', {}, { node: 'proxy-1' });
    await fleet.admit('alice', 'gone', {}, { node: 'proxy-1' });
    await end('gone');
    await eventually(async () => expect((await shown('both', viewer)).total).toBe(2));
    await eventually(async () => expect((await shown('gone', viewer)).total).toBe(1));
    expect((await shown('both', viewer)).ended).toHaveLength(1);
    expect(await shown('both', bound)).toMatchObject({ live: [{ attempt: 2 }], ended: [], total: 1 });
    for (const id of ['foreign', 'gone']) {
      const { status, body } = await admin.call('GET', `/${id}`, undefined, bound);
      expect([id, status, body['code']]).toEqual([id, 403, 'forbidden']);
    }
    expect((await admin.call('GET', '/nobody', undefined, bound)).status).toBe(404);
    expect((await admin.call('GET', '/both', undefined, kinds.by('node'))).status).toBe(403);
  });
});
