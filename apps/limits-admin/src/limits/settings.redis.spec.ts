import { describe, expect, it } from '@jest/globals';

import { LimitsStore } from '#session-core';

import { forEachTest } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT } from '../limits-admin.fixture.js';

let admin: Admin;

const suite = forEachTest(async ({ start }) => {
  admin = await start();
});

const shown = async () => (await admin.call('GET', '/limits')).body;

/** As a gateway would that has this for a file. */
async function publish(file: Parameters<LimitsStore['publishFile']>[1]) {
  await suite.fleet.store.limits.publishFile(DEFAULT_TENANT, file, 'gateway');
}

describe('PUT /limits for every kind of limit', () => {
  it.each([
    [{ max_total_sessions: 9 }, { max_total_sessions: 9 }],
    [{ maxTotalSessions: -1 }, { max_total_sessions: 0 }],
    [{ total_limit_action: 'terminate_oldest' }, { total_limit_action: 'terminate_oldest' }],
    [{ totalLimitAction: 'terminate_oldest' }, { total_limit_action: 'terminate_oldest' }],
    [{ max_sessions_per_ip_per_hour: 20 }, { max_sessions_per_ip_per_hour: 20 }],
    [{ user_rate: { per_second: 0.5, burst: 3 } }, { user_rate: { per_second: 0.5, burst: 3 } }],
    [{ userRate: null }, { user_rate: null }],
    [{ session_creation_alert_threshold: 100 }, { session_creation_alert_threshold: 100 }],
    [{ classes: { gold: 20, free: 1 } }, { classes: { gold: 20, free: 1 } }],
    [{ observe: ['user', 'total', 'user:ALICE', 'ip'] }, { observe: ['user', 'total', 'user:alice', 'ip'] }],
    [
      { max_total_sessions: 50, reserves: { total: { group: 'priority:emergency', places: 5 } } },
      { max_total_sessions: 50, reserves: { total: { group: 'priority:emergency', places: 5 } } },
    ],
  ])('takes %j', async (body, expected) => {
    expect(await admin.call('PUT', '/limits', body)).toMatchObject({ status: 200, body: { success: true } });
    expect(await shown()).toMatchObject(expected);
  });

  it('takes back all that GET shows, and then shows the same', async () => {
    await admin.call('PUT', '/limits', {
      max_total_sessions: 50,
      user_rate: { per_second: 2, burst: 3 },
      classes: { gold: 7 },
      observe: ['ip'],
      reserves: { total: { group: 'priority:emergency', places: 5 } },
    });
    const { origins: _, version: __, ...before } = await shown();
    expect(await admin.call('PUT', '/limits', await shown())).toMatchObject({ status: 200 });
    expect(await shown()).toMatchObject(before);
  });

  it('merges classes and reserves, and takes an entry out by null', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 20 }, max_total_sessions: 50 });
    await admin.call('PUT', '/limits', {
      classes: { free: 1 },
      reserves: { total: { group: 'priority:emergency', places: 5 } },
    });
    expect(await shown()).toMatchObject({ classes: { gold: 20, free: 1 }, reserves: { total: { places: 5 } } });
    await admin.call('PUT', '/limits', { classes: { free: null }, reserves: { total: null } });
    expect(await shown()).toMatchObject({ classes: { gold: 20 }, reserves: {} });
    expect((await shown())['classes']).toEqual({ gold: 20 });
  });

  it('takes the list of observed limits whole', async () => {
    await admin.call('PUT', '/limits', { observe: ['user', 'ip'] });
    await admin.call('PUT', '/limits', { observe: ['total'] });
    expect(await shown()).toMatchObject({ observe: ['total'] });
  });

  it('wins over the file also where it says "none"', async () => {
    await publish({
      maxTotalSessions: 50,
      userRate: { perSecond: 1, burst: 1 },
      details: { ip: { observe: true }, total: { reserve: { group: 'priority:emergency', places: 5 } } },
    });
    expect(await shown()).toMatchObject({ observe: ['ip'], reserves: { total: { places: 5 } }, source: 'file' });
    await admin.call('PUT', '/limits', { user_rate: null, observe: [], reserves: { total: null } });
    expect(await shown()).toMatchObject({ user_rate: null, observe: [], reserves: {}, source: 'api' });
    await admin.call('DELETE', '/limits');
    expect(await shown()).toMatchObject({ user_rate: { per_second: 1 }, observe: ['ip'], reserves: { total: {} } });
  });

  it('holds for the next decision: the total', async () => {
    await admin.call('PUT', '/limits', { max_total_sessions: 2 });
    await suite.fleet.admitAll('alice', 2);
    expect(await suite.fleet.admit('bob')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'total', max: 2 }] });
    await admin.call('PUT', '/limits', { observe: ['total'] });
    expect(await suite.fleet.admit('bob')).toMatchObject({ kind: 'admitted' });
  });

  it('holds for the next decision: the rate of a user', async () => {
    await admin.call('PUT', '/limits', { user_rate: { per_second: 0.001, burst: 2 } });
    await suite.fleet.admitAll('alice', 2);
    expect(await suite.fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', max: 2 }] });
  });

  it('says who has set which limit, when and why', async () => {
    const reason = 'the fair is in town';
    await admin.call('PUT', '/limits', { max_sessions_per_user: 7, classes: { gold: 20 }, reason });
    await admin.call('PUT', '/limits/alice', { limit: 3 });
    const { origins } = (await shown()) as { origins: Record<string, { by: string; at: string; reason: string }> };
    expect(origins).toEqual({
      user: { by: 'local', at: expect.any(String), reason },
      'class:gold': { by: 'local', at: expect.any(String), reason },
      'user:alice': { by: 'local', at: expect.any(String), reason: null },
    });
    const [seconds] = await suite.client.time();
    expect(Math.abs(Date.parse(origins['user']?.at ?? '') - Number(seconds) * 1_000)).toBeLessThan(60_000);
  });

  it('writes the reason into the log', async () => {
    await admin.call('PUT', '/limits', { max_total_sessions: 7, reason: 'the fair' });
    const lines = suite.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ message }) => message === 'Limits changed')).toMatchObject([
      { by: 'local', reason: 'the fair', said: { maxTotalSessions: 7 } },
    ]);
  });

  it('makes a change on top of the version that was seen, and refuses it where others were faster', async () => {
    const { version } = await shown();
    expect(await admin.call('PUT', '/limits', { max_total_sessions: 7, version })).toMatchObject({ status: 200 });
    const late = await admin.call('PUT', '/limits', { max_total_sessions: 8, version });
    expect(late).toMatchObject({ status: 409, body: { code: 'limits-conflict' } });
    expect(await shown()).toMatchObject({ max_total_sessions: 7 });
  });

  it('lets one of two changes through that were made on the same version at once', async () => {
    const other = await suite.start();
    const { version } = await shown();
    const replies = await Promise.all(
      [admin, other].map((one, i) => one.call('PUT', '/limits', { max_total_sessions: 7 + i, version })),
    );
    await other.close();
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 409]));
  });

  it('loses nothing of what two admins change at once', async () => {
    const other = await suite.start();
    await admin.call('PUT', '/groups/trunk', { default: 5 });
    const changes: ['PUT' | 'POST', string, object][] = [
      ['PUT', '/limits', { max_total_sessions: 70 }],
      ['PUT', '/limits', { classes: { gold: 20 } }],
      ['PUT', '/limits/alice', { limit: 3 }],
      ['PUT', '/groups/trunk/west', { limit: 30 }],
      ['PUT', '/groups/carrier', { default: 40 }],
      ['POST', '/users/bob/temporary-limit', { limit: 9, duration: '1h' }],
      ['PUT', '/limits', { max_sessions_per_user: 6 }],
      ['POST', '/limits/temporary-limit', { limit: 90, duration: '1h' }],
    ];
    const replies = await Promise.all(changes.map((call, i) => (i % 2 === 0 ? admin : other).call(...call)));
    await other.close();
    expect(replies.map(({ status }) => status)).toEqual(changes.map(() => 200));
    expect(await shown()).toMatchObject({
      max_total_sessions: 70,
      classes: { gold: 20 },
      user_limits: { _default: 6, alice: 3 },
      temporary: { 'user:bob': { limit: 9 }, total: { limit: 90 } },
    });
    expect((await admin.call('GET', '/groups')).body).toMatchObject({
      kinds: [
        { kind: 'carrier', default: 40 },
        { kind: 'trunk', default: 5 },
      ],
      groups: [{ group: 'trunk:west', limit: 30 }],
    });
  });
});

describe('DELETE /limits', () => {
  it('takes back every setting of the tenant, and leaves users and groups', async () => {
    await admin.call('PUT', '/limits', {
      max_total_sessions: 7,
      max_sessions_per_ip_per_hour: 7,
      classes: { gold: 20 },
      observe: ['ip', 'group:trunk:west'],
      session_creation_alert_threshold: 4,
    });
    await admin.call('PUT', '/groups/trunk', { default: 4 });
    await admin.call('PUT', '/limits/alice', { limit: 2 });
    await admin.call('DELETE', '/limits');
    expect(await shown()).toMatchObject({
      max_total_sessions: 0,
      max_sessions_per_ip_per_hour: 0,
      session_creation_alert_threshold: 0,
      observe: ['group:trunk:west'],
      user_limits: { alice: 2 },
    });
    expect(await shown()).toMatchObject({ classes: {}, origins: { 'user:alice': {}, 'kind:trunk': {} } });
    expect((await admin.call('GET', '/groups/trunk')).body).toMatchObject({ default: 4 });
  });

  it('leaves a class that users were put into, until the last of them is taken out', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 20 } });
    await admin.call('PUT', '/users/alice/class', { class: 'gold' });
    expect(await admin.call('DELETE', '/limits')).toMatchObject({ status: 200 });
    expect(await shown()).toMatchObject({ classes: { gold: 20 } });
    await admin.call('DELETE', '/users/alice/class');
    expect(await admin.call('DELETE', '/limits')).toMatchObject({ status: 200 });
    expect(await shown()).toMatchObject({ source: 'default' });
  });
});

describe('what cannot be', () => {
  it.each([
    [{ max_total_sessions: 2.5 }, 'max_total_sessions'],
    [{ max_total_sessions: '7' }, 'max_total_sessions'],
    [{ max_sessions_per_ip_per_hour: [null] }, 'max_sessions_per_ip_per_hour'],
    [{ total_limit_action: 'explode' }, 'total_limit_action'],
    [{ user_rate: { per_second: 0, burst: 1 } }, 'user_rate.per_second'],
    [{ user_rate: { per_second: 10_001, burst: 1 } }, 'user_rate.per_second'],
    [{ user_rate: { per_second: 1, burst: 0 } }, 'user_rate.burst'],
    [{ user_rate: { per_second: 1 } }, 'user_rate.burst'],
    [{ user_rate: 5 }, 'user_rate'],
    [{ classes: { 'Not A Class': 1 } }, 'classes.Not A Class'],
    [{ classes: { gold: 'many' } }, 'classes.gold'],
    [{ classes: ['gold'] }, 'classes'],
    [{ observe: ['everything'] }, 'observe[0]'],
    [{ observe: 'user' }, 'observe'],
    [{ observe: ['user:_default'] }, 'observe[0]'],
    [{ observe: ['class:gold'] }, 'observe'],
    [{ observe: Array.from({ length: 1_001 }, () => 'user') }, 'observe'],
    [{ reserves: { total: { group: 'priority:emergency', places: 5 } } }, 'reserves.total.places'],
    [
      { max_total_sessions: 4, reserves: { total: { group: 'priority:emergency', places: 5 } } },
      'reserves.total.places',
    ],
    [{ max_total_sessions: 9, reserves: { total: { group: 'emergency', places: 5 } } }, 'reserves.total.group'],
    [
      { max_total_sessions: 9, reserves: { total: { group: 'priority:emergency', places: 0 } } },
      'reserves.total.places',
    ],
    [{ reserves: { user: { group: 'priority:emergency', places: 1 } } }, 'reserves.user'],
    [{ reason: 'x'.repeat(1_025) }, 'reason'],
    [{ reason: 7 }, 'reason'],
    [{ on_lower: 'explode' }, 'on_lower'],
    [{ on_lower: 'drain', onLower: 'trim_now' }, 'onLower'],
    [{ version: 'newest' }, 'version'],
    [{ max_total_sessions: 2, maxTotalSessions: 3 }, 'maxTotalSessions'],
  ])('%j is refused with the path %s, and changes nothing', async (body, path) => {
    const { version } = await shown();
    const reply = await admin.call('PUT', '/limits', body);
    expect([reply.status, reply.headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(reply.body).toMatchObject({ errors: expect.arrayContaining([{ path, message: expect.any(String) }]) });
    expect(await shown()).toMatchObject({ version });
  });

  it('is no obstacle where it was so before: the operator may mend it step by step', async () => {
    await publish({ maxTotalSessions: 4, details: { total: { reserve: { group: 'priority:emergency', places: 9 } } } });
    expect(await admin.call('PUT', '/limits', { max_sessions_per_user: 3 })).toMatchObject({ status: 200 });
    expect(await admin.call('PUT', '/limits', { max_total_sessions: 5 })).toMatchObject({ status: 200 });
    const worse = { reserves: { user: { group: 'priority:emergency', places: 1 } } };
    expect(await admin.call('PUT', '/limits', worse)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'reserves.user' }] },
    });
  });
});
