import { describe, expect, it } from '@jest/globals';

import { Books } from '#session-core';

import { forEachTest } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT } from '../limits-admin.fixture.js';

let admin: Admin;
let books: Books;

const suite = forEachTest(async (begun) => {
  admin = await begun.start();
  books = new Books(begun.client, 10_000);
});

const live = async (user: string) => (await books.sessionIdsOfUser(DEFAULT_TENANT, user)).toSorted();

async function start(user: string, count: number, groups: string[] = []) {
  for (let i = 1; i <= count; i++) await suite.fleet.admitIn(groups, user, `${user}-${i}`);
}

describe('a limit below its use', () => {
  it('is named by the answer, and its sessions end by themselves', async () => {
    await start('alice', 4);
    const reply = await admin.call('PUT', '/limits/alice', { limit: 1 });
    expect(reply.body).toMatchObject({
      in_use: [{ key: 'user:alice', limit: 1, activeSessions: 4, over: 3 }],
      on_lower: 'drain',
    });
    expect(reply.body).not.toHaveProperty('terminated');
    expect(await live('alice')).toHaveLength(4);
    expect(await suite.fleet.admit('alice')).toMatchObject({ kind: 'rejected' });
  });

  it('of all users is named for each user who is above it, those furthest above first', async () => {
    await start('alice', 2);
    await start('bob', 4);
    await start('carol', 1);
    await admin.call('PUT', '/limits/dave', { limit: 9 });
    await start('dave', 6);
    expect((await admin.call('PUT', '/limits', { max_sessions_per_user: 1 })).body).toMatchObject({
      in_use: [
        { key: 'user:bob', limit: 1, activeSessions: 4, over: 3 },
        { key: 'user:alice', limit: 1, activeSessions: 2, over: 1 },
      ],
    });
  });

  it('of a class is named for the users whom the tenant has put into it', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 4 } });
    await admin.call('PUT', '/users/alice/class', { class: 'gold' });
    await start('alice', 3);
    await start('bob', 3);
    const { body } = await admin.call('PUT', '/limits', { classes: { gold: 2 } });
    expect(body['in_use']).toEqual([{ key: 'user:alice', limit: 2, activeSessions: 3, over: 1 }]);
  });

  it('of the total, of a group and of a kind is named', async () => {
    await admin.call('PUT', '/groups/trunk', { default: 5 });
    await start('alice', 3, ['trunk:west']);
    await start('bob', 2, ['trunk:east']);
    expect((await admin.call('PUT', '/limits', { max_total_sessions: 4 })).body).toMatchObject({
      in_use: [{ key: 'total', limit: 4, activeSessions: 5, over: 1 }],
    });
    expect((await admin.call('PUT', '/groups/trunk/west', { limit: 2 })).body).toMatchObject({
      in_use: [{ key: 'group:trunk:west', limit: 2, activeSessions: 3, over: 1 }],
    });
    expect((await admin.call('PUT', '/groups/trunk', { default: 1 })).body).toMatchObject({
      in_use: [{ key: 'group:trunk:east', limit: 1, activeSessions: 2, over: 1 }],
    });
  });

  it('is named as well where a temporary limit lowers it, or a DELETE', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 9 });
    await start('alice', 7);
    const lent = { limit: 6, duration: '1h' };
    expect((await admin.call('POST', '/users/alice/temporary-limit', lent)).body).toMatchObject({
      in_use: [{ over: 1 }],
    });
    expect((await admin.call('DELETE', '/limits/alice')).body).toMatchObject({ in_use: [{ limit: 5, over: 2 }] });
  });

  it('is not named where the change was about another limit', async () => {
    await start('alice', 4);
    await admin.call('PUT', '/limits/alice', { limit: 1 });
    expect((await admin.call('PUT', '/limits/bob', { limit: 1 })).body).toMatchObject({ in_use: [] });
    const others = { enabled: true, max_total_sessions: 9, on_lower: 'trim_now' };
    expect((await admin.call('PUT', '/limits', others)).body).toMatchObject({ in_use: [], terminated: 0 });
  });

  it('is named when limits are switched on again, and not while they are off', async () => {
    await admin.call('PUT', '/limits', { enabled: false });
    await start('alice', 4);
    expect((await admin.call('PUT', '/limits/alice', { limit: 1 })).body).toMatchObject({ in_use: [] });
    expect((await admin.call('PUT', '/limits', { enabled: true })).body).toMatchObject({ in_use: [{ over: 3 }] });
  });
});

describe('on_lower: trim_now', () => {
  it('ends the newest of a limit that refuses, at once, and says how many', async () => {
    await start('alice', 4);
    const { body } = await admin.call('PUT', '/limits/alice', { limit: 1, on_lower: 'trim_now' });
    expect(body).toMatchObject({ in_use: [{ over: 3 }], on_lower: 'trim_now', terminated: 3 });
    expect(await live('alice')).toEqual(['alice-1']);
  });

  it('ends the oldest of a limit that ends the oldest', async () => {
    await admin.call('PUT', '/limits', { session_limit_action: 'terminate_oldest' });
    await start('alice', 4);
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1, onLower: 'trim_now' });
    expect(await live('alice')).toEqual(['alice-4']);
  });

  it('trims every user and group that the change has left above, and nobody else', async () => {
    await admin.call('PUT', '/groups/trunk', { default: 5 });
    await start('alice', 3, ['trunk:west']);
    await start('bob', 3, ['trunk:east']);
    await start('carol', 1, ['trunk:east']);
    await admin.call('PUT', '/groups/trunk', { default: 2, on_lower: 'trim_now' });
    expect(await books.groups(DEFAULT_TENANT)).toEqual(
      expect.arrayContaining([
        { group: 'trunk:west', activeSessions: 2 },
        { group: 'trunk:east', activeSessions: 2 },
      ]),
    );
    const { body } = await admin.call('PUT', '/limits', { max_sessions_per_user: 1, on_lower: 'trim_now' });
    expect(body['terminated']).toBe(2);
    expect([await live('alice'), await live('bob')].map((ids) => ids.length)).toEqual([1, 1]);
  });

  it('trims more than one batch', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    await start('alice', 250);
    const { body } = await admin.call('PUT', '/limits/alice', { limit: 2, on_lower: 'trim_now' });
    expect(body['terminated']).toBe(248);
    expect(await live('alice')).toEqual(['alice-1', 'alice-2']);
  });

  it('leaves emergency sessions, and says what is above the limit all the same', async () => {
    for (const id of ['e1', 'e2', 'e3']) await suite.fleet.admit('alice', id, {}, { priority: 'emergency' });
    await start('alice', 1);
    const { body } = await admin.call('PUT', '/limits/alice', { limit: 1, on_lower: 'trim_now' });
    expect(body).toMatchObject({ in_use: [{ activeSessions: 4, over: 3 }], terminated: 1 });
    expect(await live('alice')).toEqual(['e1', 'e2', 'e3']);
  });

  it('ends nothing for a limit that is only measured', async () => {
    await start('alice', 4);
    await admin.call('PUT', '/limits', { observe: ['user'] });
    const { body } = await admin.call('PUT', '/limits', { max_sessions_per_user: 1, on_lower: 'trim_now' });
    expect(body).toMatchObject({ in_use: [{ key: 'user:alice', observed: true }], terminated: 0 });
    expect(await live('alice')).toHaveLength(4);
  });

  it('ends nothing of a user who may be of a class that only admissions name, and says so', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 9 } });
    for (let i = 0; i < 7; i++) await suite.fleet.admit('alice', undefined, {}, { userClass: 'gold' });
    const { body } = await admin.call('PUT', '/limits', { max_sessions_per_user: 2, on_lower: 'trim_now' });
    expect(body).toMatchObject({ in_use: [{ key: 'user:alice', over: 5, class_unknown: true }], terminated: 0 });
    expect(await live('alice')).toHaveLength(7);
    expect((await admin.call('PUT', '/limits/alice', { limit: 6, on_lower: 'trim_now' })).body['terminated']).toBe(1);
  });

  it('logs and counts each session that it ends', async () => {
    await start('alice', 3);
    await admin.call('PUT', '/limits/alice', { limit: 1, on_lower: 'trim_now' });
    const lines = suite.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    const killed = lines.filter(({ message }) => message === 'Session killed by admin');
    expect(killed.map((line) => line['session_id'])).toEqual(['alice-3', 'alice-2']);
    expect((await admin.app.inject('/metrics')).payload).toContain('berth_sessions_ended_total{reason="evicted"} 2');
  });
});
