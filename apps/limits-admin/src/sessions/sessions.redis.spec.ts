import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';

import { forEachTest } from '../admin-suite.fixture.js';
import { type Admin, DEFAULT_TENANT, encoded, Fleet } from '../limits-admin.fixture.js';

interface Shown {
  id: string;
  user: string;
  node: string;
}

const keys = shardKeys({ name: 'default', shards: 1 }, 0);

let admin: Admin;
let fleet: Fleet;
let log: string[];
let client: Redis;

forEachTest(async (suite) => {
  ({ client, fleet, log } = suite);
  admin = await suite.start();
});

async function page(query: string) {
  const { body } = await admin.call('GET', `/active${query}`);
  return body as unknown as { sessions: Shown[]; nextCursor: string | null };
}

describe('GET /active', () => {
  it('shows each live session whole', async () => {
    const said = {
      from: '<sip:alice@example.com>',
      to: 'sip:bob@example.com',
      sourceIp: '192.0.2.10',
      sourcePort: 5060,
      destination: '198.51.100.7:5060',
      direction: 'inbound',
      correlationId: 'c-1',
      metadata: { userAgent: 'x' },
    } as const;
    await fleet.admit('alice', 'call@host', said);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await page('')).toEqual({
      sessions: [
        {
          id: 'call@host',
          attempt: 1,
          tenant: 'default',
          user: 'alice',
          node: 'b2bua-1',
          epoch: 1,
          state: 'active',
          ...said,
          protocol: 'sip',
          groups: [],
          priority: 'normal',
          authenticated: true,
          startedAt: time,
          lastActivityAt: time,
          expiresAt: time,
          endsBy: time,
          bytesSent: 0,
          bytesReceived: 0,
          packetsSent: 0,
          packetsReceived: 0,
          channels: [],
        },
      ],
      nextCursor: null,
    });
  });

  it('filters by user in any spelling, and by node; empty filters filter nothing', async () => {
    await fleet.admit('alice', 'a1');
    await fleet.admit('bob', 'b1');
    const ids = async (query: string) => (await page(query)).sessions.map(({ id }) => id).toSorted();
    expect(await ids('')).toEqual(['a1', 'b1']);
    expect(await ids('?username=&node=&cursor=&limit=')).toEqual(['a1', 'b1']);
    expect(await ids('?username=ALICE')).toEqual(['a1']);
    expect(await ids(`?username=${encoded('sip:alice@example.com')}`)).toEqual(['a1']);
    expect(await ids('?node=b2bua-1')).toEqual(['a1', 'b1']);
    expect(await ids('?node=b2bua-2')).toEqual([]);
    expect(await ids('?node=b2bua-1&username=bob')).toEqual(['b1']);
  });

  it('has every session on exactly one page', async () => {
    for (let i = 0; i < 25; i++) await fleet.admit(`user${i}`, `s${i}`);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { sessions, nextCursor } = await page(`?limit=10&cursor=${cursor}`);
      seen.push(...sessions.map(({ id }) => id));
      cursor = nextCursor;
    }
    expect(seen).toHaveLength(25);
    expect(new Set(seen).size).toBe(25);
  });

  it('finds the sessions of a rare node at once among many, whatever its runs', async () => {
    await fleet.store.limits.change(DEFAULT_TENANT, (api) => ({ ...api, maxSessionsPerUser: 0 }));
    await fleet.admitAll('alice', 1_200);
    for (const [i, epoch] of [3, 5, null].entries()) {
      await fleet.admit('bob', `rare${i}`, {}, { node: 'rare', epoch });
    }
    expect(await page('?node=nowhere&limit=2')).toEqual({ sessions: [], nextCursor: null });
    expect((await page('?node=rare')).sessions.map(({ id }) => id).toSorted()).toEqual(['rare0', 'rare1', 'rare2']);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { sessions, nextCursor } = await page(`?node=rare&limit=1&cursor=${cursor}`);
      expect(sessions.length).toBeLessThanOrEqual(1);
      seen.push(...sessions.map(({ id }) => id));
      cursor = nextCursor;
    }
    expect(seen.toSorted()).toEqual(['rare0', 'rare1', 'rare2']);
  });

  const cursorOf = (value: unknown) => encoded(Buffer.from(JSON.stringify(value)).toString('base64url'));

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?limit=ten', 'limit'],
    ['?cursor=nonsense', 'cursor'],
    [`?cursor=${cursorOf([0, '99999999999999999999', null])}`, 'cursor'],
    [`?cursor=${cursorOf([7, null, null])}`, 'cursor'],
    [`?cursor=${cursorOf([-1, null, null])}`, 'cursor'],
    [`?cursor=${cursorOf([0, { a: 1 }, null])}`, 'cursor'],
    [`?cursor=${cursorOf({})}`, 'cursor'],
    [`?cursor=${'x'.repeat(4_000)}`, 'cursor'],
    ['?username=_default', 'username'],
    ['?username=a&username=b', 'username'],
    ['?username=%00', 'username'],
    [`?node=${'n'.repeat(129)}`, 'node'],
  ])('refuses %s', async (query, path) => {
    const reply = await admin.call('GET', `/active${query}`);
    expect(reply).toMatchObject({ status: 400, body: { errors: [{ path }], error: expect.any(String) } });
  });
});

const WAYS = [
  ['DELETE /:sessionId', (id: string, body?: unknown) => admin.call('DELETE', `/${encoded(id)}`, body)],
  ['POST /:sessionId/terminate', (id: string, body?: unknown) => admin.call('POST', `/${encoded(id)}/terminate`, body)],
] as const;

describe.each(WAYS)('%s', (_way, terminate) => {
  it('ends the session, tells its node, and writes the line', async () => {
    await fleet.admit('alice', 'a1', { sourceIp: '192.0.2.1', sourcePort: 5060 });
    const reply = await terminate('a1', { reason: 'fraud' });
    expect([reply.status, reply.body]).toEqual([200, { success: true, message: 'Session a1 terminated' }]);
    const ended = { kind: 'ended', session: { endReason: 'killed', note: 'fraud' } };
    expect(await fleet.store.renew(DEFAULT_TENANT, { sessionId: 'a1' })).toMatchObject(ended);
    expect(await fleet.admit('alice', 'a1')).toMatchObject(ended);
    const command = JSON.parse((await client.hget(keys.commands('b2bua-1'), 'a1')) ?? '{}') as unknown;
    expect(command).toMatchObject({ sessionId: 'a1', attempt: 1, reason: 'killed' });
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'info',
        message: 'Session killed by admin',
        session_id: 'a1',
        user: 'alice',
        peer: '192.0.2.1:5060',
      }),
    );
  });

  it('is remembered until the node has acknowledged it, far longer than an ending that the node reported', async () => {
    await fleet.admit('alice', 'a1');
    await terminate('a1');
    expect(await client.pttl(keys.session('a1'))).toBeGreaterThan(3_600_000);
  });

  it('frees the place', async () => {
    await fleet.admitAll('alice', 4);
    await fleet.admit('alice', 'a5');
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected' });
    await terminate('a5');
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
  });

  it('answers 404 for one that is not live, and remembers nothing of it', async () => {
    expect(await terminate('nobody')).toMatchObject({ status: 404, body: { error: 'No live session has this id' } });
    expect(await fleet.admit('alice', 'nobody')).toMatchObject({ kind: 'admitted' });
    expect(await terminate('nobody')).toMatchObject({ status: 200 });
    expect(await terminate('nobody')).toMatchObject({ status: 404 });
  });

  it.each([
    ['a/b?c#d'],
    ['%41'],
    ['__proto__'],
    ['=cmd|x'],
    ['"><script>'],
    ['ünïcødé 漢字'],
    ['-'],
    ['terminate'],
    ['limits/alice'],
    ['x'.repeat(256)],
  ])('reaches the hostile id %s', async (id) => {
    await fleet.admit('alice', id);
    expect(await terminate(id)).toMatchObject({ status: 200 });
    expect(await fleet.store.get(DEFAULT_TENANT, { sessionId: id })).toMatchObject({ kind: 'ended' });
  });

  it.each([['users'], ['active'], ['stats'], ['history'], ['violations'], ['peaks'], ['traffic']])(
    'never takes the word %s for an id',
    async (word) => {
      await fleet.admit('alice', word);
      expect(await terminate(word)).toMatchObject({ status: 404 });
      expect(await fleet.store.get(DEFAULT_TENANT, { sessionId: word })).toMatchObject({ kind: 'live' });
    },
  );

  it.each([
    ['a1', { reason: 5 }, 'reason'],
    ['a1', { reason: 'x'.repeat(257) }, 'reason'],
    ['a1', '[]', 'the body'],
    ['a1', '{', 'the body'],
    ['x'.repeat(257), {}, 'sessionId'],
  ])('refuses %s with %j', async (id, body, path) => {
    await fleet.admit('alice', 'a1');
    expect(await terminate(id, body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
    expect(await fleet.store.get(DEFAULT_TENANT, { sessionId: 'a1' })).toMatchObject({ kind: 'live' });
  });

  it('takes no reason, and null', async () => {
    await fleet.admit('alice', 'a1');
    await fleet.admit('alice', 'a2');
    expect(await terminate('a1')).toMatchObject({ status: 200 });
    expect(await terminate('a2', { reason: null })).toMatchObject({ status: 200 });
  });
});

it('does not take DELETE /limits for a session', async () => {
  await fleet.admit('alice', 'limits');
  expect(await admin.call('DELETE', '/limits')).toMatchObject({ status: 200 });
  expect(await admin.call('POST', '/limits/terminate')).toMatchObject({ status: 404 });
  expect(await fleet.store.get(DEFAULT_TENANT, { sessionId: 'limits' })).toMatchObject({ kind: 'live' });
});
