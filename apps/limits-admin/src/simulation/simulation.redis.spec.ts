import { describe, expect, it } from '@jest/globals';

import { forEachTest } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT, Fleet } from '../limits-admin.fixture.js';

let admin: Admin;
let fleet: Fleet;

const suite = forEachTest(async (begun) => {
  fleet = begun.fleet;
  admin = await begun.start();
  await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 0 }, 'gateway');
});

const simulated = async (body: unknown) => await admin.call('POST', '/limits:simulate', body);

async function start(user: string, count: number, groups: string[] = []) {
  for (let i = 1; i <= count; i++) await fleet.admitIn(groups, user, `${user}-${i}`);
}

describe('POST /limits:simulate', () => {
  it('says which of the live sessions a change would have refused, in the order of their start', async () => {
    await start('alice', 3);
    await start('bob', 1);
    const { status, body } = await simulated({ max_sessions_per_user: 1 });
    expect([status, body]).toMatchObject([
      200,
      {
        sessions: 4,
        refused: { count: 2, by: { user: 2 } },
        over: [{ key: 'user:alice', limit: 1, activeSessions: 3, over: 2 }],
        changed: ['user'],
        rates_replayed: false,
        version: expect.any(Number),
      },
    ]);
    const { sessions } = body['refused'] as { sessions: { id: string }[] };
    expect(sessions.map(({ id }) => id).toSorted()).toEqual(['alice-2', 'alice-3']);
  });

  it('takes limits of users, classes and groups, over those in force', async () => {
    await admin.call('PUT', '/groups/trunk', { default: 9 });
    await admin.call('PUT', '/groups/trunk/west', { parent: 'carrier:acme' });
    await admin.call('PUT', '/limits', { classes: { gold: 9 } });
    await admin.call('PUT', '/users/carol/class', { class: 'gold' });
    await start('alice', 2, ['trunk:west']);
    await start('bob', 3, ['trunk:east']);
    await start('carol', 2);
    const { body } = await simulated({
      classes: { gold: 1 },
      user_session_limits: { ALICE: 1 },
      groups: { trunk: { overrides: { east: 2 } }, carrier: { default: 1 } },
    });
    expect(body).toMatchObject({
      refused: { count: 3, by: { 'user:alice': 1, 'kind:carrier': 1, 'group:trunk:east': 1, 'class:gold': 1 } },
      changed: ['class:gold', 'user:alice', 'kind:trunk', 'group:trunk:east', 'kind:carrier'],
    });
  });

  it('names exactly those whom gateways refuse under such limits', async () => {
    const change = {
      max_sessions_per_user: 6,
      max_total_sessions: 60,
      classes: { gold: 9 },
      observe: ['user:user0'],
      reserves: { total: { group: 'priority:emergency', places: 4 }, 'group:trunk:1': { group: 'trunk:0', places: 3 } },
    };
    const kinds = {
      trunk: { default: 12, overrides: { 1: 9 }, parents: { 0: 'carrier:a', 1: 'carrier:a', 2: 'carrier:b' } },
      carrier: { default: 25 },
    };
    const asked = Array.from({ length: 150 }, (_, i) => ({
      user: `user${(i * 7) % 11}`,
      id: `id-${String(i).padStart(3, '0')}`,
      groups: i % 5 === 0 ? [] : [...new Set([`trunk:${(i * 3) % 4}`, `trunk:${(i * i) % 3}`])],
      priority: i % 13 === 0 ? ('emergency' as const) : ('normal' as const),
    }));
    for (const { user, id, groups, priority } of asked) await fleet.admit(user, id, {}, { groups, priority });
    const { body } = await simulated({ ...change, groups: kinds });

    await suite.client.flushall();
    await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 0, groups: kinds }, 'gateway');
    expect(await admin.call('PUT', '/limits', change)).toMatchObject({ status: 200 });
    const refused: string[] = [];
    for (const { user, id, groups, priority } of asked) {
      const { kind } = await fleet.admit(user, id, {}, { groups, priority });
      if (kind === 'rejected') refused.push(id);
    }
    expect(refused.length).toBeGreaterThan(50);
    const { sessions } = body['refused'] as { sessions: { id: string }[] };
    expect(sessions.map(({ id }) => id)).toEqual(refused);
  });

  it('changes nothing', async () => {
    await start('alice', 3);
    const before = [await admin.call('GET', '/limits'), await suite.client.keys('*')];
    await simulated({ max_sessions_per_user: 1, groups: { trunk: { default: 1 } } });
    const after = [await admin.call('GET', '/limits'), await suite.client.keys('*')];
    expect(after.map((one) => (Array.isArray(one) ? one.toSorted() : one.body))).toEqual(
      before.map((one) => (Array.isArray(one) ? one.toSorted() : one.body)),
    );
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
  });

  it('counts every one of many sessions once', async () => {
    const users = Array.from({ length: 50 }, (_, i) => `user${i}`);
    await Promise.all(users.map(async (user) => await start(user, 50, ['trunk:west'])));
    const { body } = await simulated({ max_sessions_per_user: 20, max_total_sessions: 900 });
    expect(body).toMatchObject({ sessions: 2_500, refused: { count: 1_600 } });
    expect((body['refused'] as { sessions: object[] }).sessions).toHaveLength(1_000);
  });

  it('goes on where others ask at once', async () => {
    await start('alice', 3);
    const replies = await Promise.all([1, 2, 3, 4].map((max) => simulated({ max_sessions_per_user: max })));
    expect(replies.map(({ body }) => (body['refused'] as { count: number }).count)).toEqual([2, 1, 0, 0]);
  });

  it.each([
    [{ max_sessions_per_user: 'many' }, 'max_sessions_per_user'],
    [{ maxTotalSessions: 1, max_total_sessions: 2 }, 'maxTotalSessions'],
    [{ user_session_limits: { _default: 3 } }, 'user_session_limits._default'],
    [{ user_session_limits: { Alice: 3, alice: 4 } }, 'user_session_limits.alice'],
    [{ user_session_limits: { alice: 'ten' } }, 'user_session_limits.alice'],
    [{ groups: { Trunk: { default: 3 } } }, 'groups.Trunk'],
    [{ groups: { trunk: { default: 0.5 } } }, 'groups.trunk.default'],
    [{ groups: { trunk: { parents: { west: 'trunk:west' } } } }, 'groups.trunk.parents.west'],
    [{ groups: { trunk: { rates: { west: { per_second: 1 } } } } }, 'groups.trunk.rates.west.burst'],
    [{ reserves: { total: { group: 'priority:emergency', places: 5 } } }, 'reserves.total.places'],
  ])('refuses %j with the path %s', async (body, path) => {
    expect(await simulated(body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
  });
});
