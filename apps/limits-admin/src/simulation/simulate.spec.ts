import { describe, expect, it } from '@jest/globals';

import { effectiveLimits, type LimitsLayer } from '#session-core';

import { inOrder, simulate, type ReplayedSession } from './simulate.js';

const NOW_MS = 1_000_000;

let started = 0;

/** A session that starts after every other one. */
function session(user: string, { groups = [], priority = 'normal' }: Partial<ReplayedSession> = {}): ReplayedSession {
  return { id: `${user}-${++started}`, user, groups, priority, startedAtMs: started };
}

const sessions = (user: string, count: number, facts: Partial<ReplayedSession> = {}) =>
  Array.from({ length: count }, () => session(user, facts));

const replayed = (live: ReplayedSession[], api: LimitsLayer) =>
  simulate(live, effectiveLimits({ version: 1, file: { maxSessionsPerUser: 0 }, api }), NOW_MS);

describe('a replay', () => {
  it('of nothing refuses nothing', () => {
    expect(replayed([], { maxSessionsPerUser: 1 })).toEqual({
      sessions: 0,
      refused: { count: 0, by: {}, sessions: [] },
      terminated: { count: 0, by: {}, sessions: [] },
      observed: {},
      over: [],
    });
  });

  it('refuses those who came when a limit was full, and names the limit', () => {
    const live = [...sessions('alice', 3), ...sessions('bob', 1)];
    const { sessions: all, refused, over } = replayed(live, { maxSessionsPerUser: 2, users: { bob: 1 } });
    expect(all).toBe(4);
    expect(refused).toEqual({
      count: 1,
      by: { user: 1 },
      sessions: [{ id: live[2]?.id, user: 'alice', limits: ['user'] }],
    });
    expect(over).toEqual([{ key: 'user:alice', limit: 2, activeSessions: 3, over: 1 }]);
  });

  it('gives the place of a refused one to nobody', () => {
    const live = [...sessions('alice', 2), ...sessions('bob', 2)];
    expect(replayed(live, { maxSessionsPerUser: 1, maxTotalSessions: 2 }).refused.by).toEqual({ user: 2, total: 1 });
  });

  it('knows the limits of a user, of a class, of everybody, and those that are temporary', () => {
    const limits: LimitsLayer = {
      maxSessionsPerUser: 1,
      users: { alice: 2 },
      classes: { gold: 3 },
      userClasses: { alice: 'gold', bob: 'gold' },
      details: {
        'user:carol': { temporary: { max: 4, untilMs: NOW_MS + 1 } },
        'user:dave': { temporary: { max: 4, untilMs: NOW_MS } },
      },
    };
    const live = ['alice', 'bob', 'carol', 'dave'].flatMap((user) => sessions(user, 5));
    expect(replayed(live, limits).refused.by).toEqual({ 'user:alice': 3, 'class:gold': 2, 'user:carol': 1, user: 4 });
  });

  it('counts a session in its groups and in all that they are within', () => {
    const groups = {
      trunk: { default: 2, overrides: { west: 3 }, parents: { west: 'carrier:acme', east: 'carrier:acme' } },
      carrier: { default: 4 },
    };
    const live = [...sessions('a', 4, { groups: ['trunk:west'] }), ...sessions('b', 3, { groups: ['trunk:east'] })];
    const { refused, over } = replayed(live, { groups });
    expect(refused.by).toEqual({ 'group:trunk:west': 1, 'kind:carrier': 2 });
    expect(over.map(({ key }) => key)).toEqual(['group:carrier:acme', 'group:trunk:west', 'group:trunk:east']);
  });

  it('names every limit that was full', () => {
    const live = sessions('alice', 2, { groups: ['trunk:west'] });
    const limits = { maxSessionsPerUser: 1, maxTotalSessions: 1, groups: { trunk: { default: 1 } } };
    expect(replayed(live, limits).refused.sessions[0]?.limits).toEqual(['total', 'user', 'kind:trunk']);
  });

  it('lets emergencies pass, and counts them', () => {
    const live = [...sessions('alice', 2, { priority: 'emergency' }), ...sessions('alice', 1)];
    const { refused, over } = replayed(live, { maxSessionsPerUser: 1 });
    expect(refused.sessions.map(({ id }) => id)).toEqual([live[2]?.id]);
    expect(over).toMatchObject([{ activeSessions: 3, over: 2 }]);
  });

  it('keeps the places of a reserve for its group', () => {
    const details = { total: { reserve: { group: 'priority:emergency', places: 2 } } };
    const live = [...sessions('a', 3), ...sessions('b', 1, { priority: 'emergency' }), ...sessions('c', 1)];
    const { refused } = replayed(live, { maxTotalSessions: 4, details });
    expect(refused.sessions.map(({ id }) => id)).toEqual([live[2], live[4]].map((one) => one?.id));
  });

  it('lets those of the group into its reserve who are no emergency', () => {
    const details = { total: { reserve: { group: 'trunk:vip', places: 1 } } };
    const live = [...sessions('a', 2), ...sessions('b', 2, { groups: ['trunk:vip'] })];
    const { refused } = replayed(live, { maxTotalSessions: 2, details });
    expect(refused.sessions.map(({ id }) => id)).toEqual([live[1], live[3]].map((one) => one?.id));
  });

  it('refuses nothing for a limit that is only measured, and says how often it was full', () => {
    const { refused, observed, over } = replayed(sessions('alice', 4), {
      maxSessionsPerUser: 1,
      details: { user: { observe: true } },
    });
    expect([refused.count, observed]).toEqual([0, { user: 3 }]);
    expect(over).toEqual([{ key: 'user:alice', limit: 1, activeSessions: 4, over: 3, observed: true }]);
  });

  it('ends the oldest where the limit does, never an emergency', () => {
    const live = [session('alice', { priority: 'emergency' }), ...sessions('alice', 3)];
    const { refused, terminated } = replayed(live, { maxSessionsPerUser: 2, action: 'terminate_oldest' });
    expect(refused.count).toBe(0);
    expect(terminated).toMatchObject({ count: 2, by: { user: 2 } });
    expect(terminated.sessions.map(({ id }) => id)).toEqual([live[1]?.id, live[2]?.id]);
  });

  it('refuses where the oldest would have to go and may not', () => {
    const live = [...sessions('alice', 1, { priority: 'emergency' }), ...sessions('alice', 1)];
    expect(replayed(live, { maxSessionsPerUser: 1, action: 'terminate_oldest' }).refused.count).toBe(1);
  });

  it('refuses where one of several full limits refuses', () => {
    const limits: LimitsLayer = { maxSessionsPerUser: 1, action: 'terminate_oldest', maxTotalSessions: 1 };
    const { refused, terminated } = replayed(sessions('alice', 2), limits);
    expect([refused.count, terminated.count]).toEqual([1, 0]);
  });

  it('asks no limit of a user whom nobody knows but the total', () => {
    expect(replayed(sessions('', 3), { maxSessionsPerUser: 1, maxTotalSessions: 2 }).refused.by).toEqual({ total: 1 });
  });

  it('refuses nobody where limits are off', () => {
    const { refused, over } = replayed(sessions('alice', 3), { enabled: false, maxSessionsPerUser: 1 });
    expect([refused.count, over]).toEqual([0, []]);
  });

  it('names at most 1,000, and counts all', () => {
    const { refused } = replayed(sessions('alice', 1_500), { maxSessionsPerUser: 1 });
    expect([refused.count, refused.sessions.length]).toEqual([1_499, 1_000]);
  });

  it('takes users and groups with the names of built-in properties for what they are', () => {
    const live = ['constructor', '__proto__'].flatMap((user) => sessions(user, 2, { groups: [`constructor:${user}`] }));
    expect(replayed(live, { maxSessionsPerUser: 1 }).refused).toMatchObject({ count: 2, by: { user: 2 } });
  });
});

describe('the order of start', () => {
  it('is that of ids where two started at once', () => {
    const at = (startedAtMs: number, id: string) => ({ ...session('alice'), startedAtMs, id });
    const live = [at(3, 'c'), at(1, 'a'), at(2, 'b'), at(1, 'A'), at(0, 'z')];
    expect(live.toSorted(inOrder).map(({ id }) => id)).toEqual(['z', 'A', 'a', 'b', 'c']);
  });
});
