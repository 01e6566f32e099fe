import { describe, expect, it } from '@jest/globals';

import { forEachTest } from '../admin-suite.fixture.js';
import { type Admin, DEFAULT_TENANT, encoded, Fleet } from '../limits-admin.fixture.js';

interface Row {
  username: string;
  activeSessions: number;
}

let admin: Admin;
let fleet: Fleet;

forEachTest(async (suite) => {
  ({ fleet } = suite);
  await fleet.store.limits.publishFile(DEFAULT_TENANT, { users: { anonymous: 0, bob: 3 } }, 'gateway');
  admin = await suite.start();
});

async function names(query: string): Promise<string[]> {
  const { body } = await admin.call('GET', `/users${query}`);
  return (body['users'] as Row[]).map(({ username }) => username);
}

describe('GET /users', () => {
  it('lists the users with live sessions or a limit of their own', async () => {
    await fleet.admit('alice', 'a1', { sourceIp: '192.0.2.1' });
    await fleet.admit('alice', 'a2', { sourceIp: '192.0.2.2' });
    await fleet.admit('dave', 'd1');
    await admin.call('PUT', '/limits/erin', { limit: -1 });
    const started = await fleet.store.get(DEFAULT_TENANT, { sessionId: 'a2' });
    const newestMs = started.kind === 'live' ? started.session.startedAtMs : NaN;
    expect(await admin.call('GET', '/users')).toMatchObject({ status: 200 });
    expect((await admin.call('GET', '/users')).body).toEqual({
      users: [
        {
          username: 'alice',
          activeSessions: 2,
          limit: 5,
          lastLogin: new Date(newestMs).toISOString(),
          ipAddress: '192.0.2.2',
        },
        { username: 'dave', activeSessions: 1, limit: 5, lastLogin: expect.any(String), ipAddress: null },
        { username: 'bob', activeSessions: 0, limit: 3, lastLogin: null, ipAddress: null },
        { username: 'erin', activeSessions: 0, limit: 0, lastLogin: null, ipAddress: null },
      ],
      total: 4,
      page: 1,
      limit: 50,
    });
  });

  it('forgets a user whose last session has ended', async () => {
    await fleet.admit('alice', 'a1');
    await fleet.store.end(DEFAULT_TENANT, { sessionId: 'a1' }, { reason: 'completed', by: 'node' });
    expect(await names('')).toEqual(['bob']);
  });

  it('sorts in every way, equal counts by name', async () => {
    for (const [user, count] of [
      ['carol', 2],
      ['alice', 1],
      ['dave', 2],
    ] as const)
      await fleet.admitAll(user, count);
    expect(await names('')).toEqual(['carol', 'dave', 'alice', 'bob']);
    expect(await names('?sort=sessions_desc')).toEqual(['carol', 'dave', 'alice', 'bob']);
    expect(await names('?sort=sessions_asc')).toEqual(['bob', 'alice', 'carol', 'dave']);
    expect(await names('?sort=username_asc')).toEqual(['alice', 'bob', 'carol', 'dave']);
    expect(await names('?sort=username_desc')).toEqual(['dave', 'carol', 'bob', 'alice']);
    expect(await names('?sort=&page=&limit=')).toEqual(['carol', 'dave', 'alice', 'bob']);
  });

  it('has every user on exactly one page', async () => {
    for (let i = 0; i < 23; i++) await fleet.admit(`user${i}`);
    const pages = await Promise.all([1, 2, 3, 4].map((page) => names(`?page=${page}&limit=10&sort=username_asc`)));
    expect(pages.map((page) => page.length)).toEqual([10, 10, 4, 0]);
    expect(new Set(pages.flat()).size).toBe(24);
    expect((await admin.call('GET', '/users?page=3&limit=10')).body).toMatchObject({ total: 24, page: 3, limit: 10 });
    expect((await admin.call('GET', '/users?page=1000000000')).body).toMatchObject({ users: [], total: 24 });
    expect(await names('?limit=1000')).toHaveLength(24);
  });

  it.each([
    ['?page=0', 'page'],
    ['?page=-1', 'page'],
    ['?page=1.5', 'page'],
    ['?page=x', 'page'],
    ['?page=1&page=2', 'page'],
    ['?page=99999999999999999999', 'page'],
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?limit=1e2', 'limit'],
    ['?sort=random', 'sort'],
    ['?sort=__proto__', 'sort'],
    ['?sort=username_asc&sort=username_desc', 'sort'],
  ])('refuses %s', async (query, path) => {
    const reply = await admin.call('GET', `/users${query}`);
    expect(reply).toMatchObject({ status: 400, body: { errors: [{ path }], error: expect.any(String) } });
  });
});

describe('GET /users/:username', () => {
  it('shows the sessions behind the count, oldest first, and the last refusal', async () => {
    for (const id of ['b1', 'b2', 'b3']) await fleet.admit('bob', id, { sourceIp: '192.0.2.1' });
    await fleet.admit('bob', 'b4');
    const { body } = await admin.call('GET', '/users/BOB');
    expect(body).toMatchObject({ username: 'bob', activeSessions: 3, limit: 3 });
    expect(Object.keys(body)).toEqual(['username', 'activeSessions', 'limit', 'sessions', 'lastRefusal']);
    expect(body['sessions']).toMatchObject([
      { id: 'b1', user: 'bob', sourceIp: '192.0.2.1' },
      { id: 'b2' },
      { id: 'b3' },
    ]);
    expect(body['lastRefusal']).toEqual({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      sessionId: 'b4',
      limits: [{ scope: 'user', key: 'bob', max: 3, active: 3 }],
    });
  });

  it('knows a user of whom nothing is known', async () => {
    expect((await admin.call('GET', '/users/nobody')).body).toEqual({
      username: 'nobody',
      activeSessions: 0,
      limit: 5,
      sessions: [],
      lastRefusal: null,
    });
  });

  it('shows a part of very many sessions, and where to go on', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await fleet.admitAll('alice', 1_100);
    const { body } = await admin.call('GET', '/users/alice');
    const ids = new Set((body['sessions'] as { id: string }[]).map(({ id }) => id));
    expect(body).toMatchObject({ activeSessions: 1_100, nextCursor: expect.any(String) });
    for (let cursor = body['nextCursor'] as string | null; cursor !== null;) {
      const page = await admin.call('GET', `/active?username=alice&limit=1000&cursor=${cursor}`);
      for (const { id } of page.body['sessions'] as { id: string }[]) ids.add(id);
      cursor = page.body['nextCursor'] as string | null;
    }
    expect(ids.size).toBe(1_100);
  });

  it('shows pages as long as are asked for, as other lists do: each session once, the count of all on each', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await fleet.admitAll('alice', 12);
    const pages: string[][] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const { body } = await admin.call('GET', `/users/alice?limit=5&cursor=${cursor}`);
      expect(body).toMatchObject({ username: 'alice', activeSessions: 12, limit: 0 });
      pages.push((body['sessions'] as { id: string }[]).map(({ id }) => id));
      cursor = body['nextCursor'] as string | undefined;
    }
    const all = (await admin.call('GET', '/users/alice?limit=1000')).body['sessions'] as { id: string }[];
    expect(pages.map((page) => page.length).slice(0, 3)).toEqual([5, 5, 2]);
    expect(pages.flat()).toEqual(all.map(({ id }) => id));
  });

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?limit=5&limit=6', 'limit'],
    ['?cursor=nonsense', 'cursor'],
  ])('refuses %s', async (query, path) => {
    expect(await admin.call('GET', `/users/alice${query}`)).toMatchObject({
      status: 400,
      body: { errors: [{ path }] },
    });
  });

  it.each([['__proto__'], ['constructor'], ['=cmd|x'], ['a/b'], ['%41'], ['ünïcødé 漢字'], ['sessions']])(
    'shows the user %s',
    async (user) => {
      await fleet.admit(user, 'one');
      const { body } = await admin.call('GET', `/users/${encoded(user)}`);
      expect(body).toMatchObject({ username: user, activeSessions: 1, sessions: [{ id: 'one', user }] });
      expect(await names('')).toContain(user);
    },
  );

  it.each([['_default'], ['a\u0000b'], ['x'.repeat(257)]])('refuses the name %j', async (user) => {
    const reply = await admin.call('GET', `/users/${encoded(user)}`);
    expect(reply).toMatchObject({ status: 400, body: { errors: [{ path: 'username' }] } });
  });
});

describe('DELETE /users/:username/sessions', () => {
  it('ends all of them, and nobody else’s', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await fleet.admitAll('alice', 250);
    await fleet.admitAll('bob', 2);
    const reply = await admin.call('DELETE', '/users/ALICE/sessions');
    expect([reply.status, reply.body]).toEqual([
      200,
      { success: true, terminated: 250, message: 'Terminated 250 sessions of user alice' },
    ]);
    expect((await admin.call('GET', '/users/alice')).body).toMatchObject({ activeSessions: 0, sessions: [] });
    expect((await admin.call('GET', '/users/bob')).body).toMatchObject({ activeSessions: 2 });
    expect((await admin.call('DELETE', '/users/alice/sessions')).body).toMatchObject({ success: true, terminated: 0 });
  });

  it('keeps the reason as a note, and counts what it ended', async () => {
    await fleet.admit('alice', 'a1');
    await admin.call('DELETE', '/users/alice/sessions', { reason: 'moved out' });
    expect(await fleet.store.get(DEFAULT_TENANT, { sessionId: 'a1' })).toMatchObject({
      session: { note: 'moved out' },
    });
    const { payload } = await admin.app.inject('/metrics');
    expect(payload).toMatch(/^berth_sessions_ended_total\{.*reason="killed".*\} 1$/m);
  });

  it('counts each session once when two admins end them at once', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await fleet.admitAll('alice', 120);
    const replies = await Promise.all([1, 2].map(() => admin.call('DELETE', '/users/alice/sessions')));
    const ended = replies.map(({ body }) => Number(body['terminated']));
    expect(ended.reduce((a, b) => a + b)).toBe(120);
    expect((await admin.call('GET', '/users/alice')).body).toMatchObject({ activeSessions: 0 });
  });

  it('ends while new ones keep coming, and comes to an end itself', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await fleet.admitAll('alice', 150);
    const stop = new AbortController();
    let started = 0;
    const caller = (async () => {
      for (; !stop.signal.aborted; started++) await fleet.admit('alice', `late${started}`);
    })();
    const { body } = await admin.call('DELETE', '/users/alice/sessions');
    stop.abort();
    await caller;
    expect(Number(body['terminated'])).toBeGreaterThanOrEqual(150);
    const { activeSessions } = (await admin.call('GET', '/users/alice')).body as { activeSessions: number };
    expect(activeSessions).toBe(150 + started - Number(body['terminated']));
  });
});
