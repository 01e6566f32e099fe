import { beforeEach, describe, expect, it } from '@jest/globals';

import { forEachTest } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT, encoded, Fleet } from '../limits-admin.fixture.js';

let admin: Admin;
let fleet: Fleet;

forEachTest(async (suite) => {
  ({ fleet } = suite);
  admin = await suite.start();
  await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 0 }, 'gateway');
});

const groupOf = async (path: string) => (await admin.call('GET', `/groups/${path}`)).body;

describe('kinds', () => {
  it('are limited for the next decision', async () => {
    expect(await admin.call('PUT', '/groups/trunk', { default: 1 })).toMatchObject({
      status: 200,
      body: { success: true, kind: 'trunk', in_use: [], on_lower: 'drain' },
    });
    await fleet.admitIn(['trunk:west']);
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({
      kind: 'rejected',
      limits: [{ scope: 'group', key: 'trunk:west', max: 1 }],
    });
    expect(await fleet.admitIn(['trunk:east'])).toMatchObject({ kind: 'admitted' });
  });

  it('keep what a change does not say, and lose their rate by null', async () => {
    await admin.call('PUT', '/groups/trunk', { default: 7, action: 'terminate_oldest' });
    await admin.call('PUT', '/groups/trunk', { rate: { per_second: 2, burst: 4 }, reason: 'storm' });
    expect(await groupOf('trunk')).toMatchObject({
      kind: 'trunk',
      configured: true,
      default: 7,
      action: 'terminate_oldest',
      rate: { per_second: 2, burst: 4 },
      origin: { by: 'local', reason: 'storm' },
    });
    await admin.call('PUT', '/groups/trunk', { rate: null });
    expect(await groupOf('trunk')).toMatchObject({ default: 7, rate: null });
  });

  it('go back to the file, and leave single groups', async () => {
    await fleet.store.limits.publishFile(DEFAULT_TENANT, { groups: { trunk: { default: 3 } } }, 'gateway');
    await admin.call('PUT', '/groups/trunk', { default: 9, action: 'terminate_oldest' });
    await admin.call('PUT', '/groups/trunk/west', { limit: 5 });
    await admin.call('DELETE', '/groups/trunk');
    expect(await groupOf('trunk')).toMatchObject({ default: 3, action: 'reject', origin: null });
    expect(await groupOf('trunk/west')).toMatchObject({ limit: 5 });
  });

  it('without settings are shown as not configured, with the groups that live sessions name', async () => {
    await fleet.admitIn(['queue:sales']);
    expect((await admin.call('GET', '/groups')).body).toMatchObject({
      kinds: [{ kind: 'queue', configured: false, default: 0 }],
      groups: [{ group: 'queue:sales', limit: 0, activeSessions: 1 }],
    });
    expect(await groupOf('nothing')).toMatchObject({ configured: false, groups: [], total: 0 });
  });

  it.each(['constructor', 'tostring'])('named %s are kinds like any other', async (kind) => {
    expect(await groupOf(kind)).toMatchObject({ configured: false });
    expect(await admin.call('PUT', `/groups/${kind}/west`, { limit: 1 })).toMatchObject({ status: 400 });
    await admin.call('PUT', `/groups/${kind}`, { default: 4 });
    await admin.call('PUT', `/groups/${kind}/constructor`, { limit: 1 });
    expect(await groupOf(kind)).toMatchObject({ default: 4, groups: [{ name: 'constructor', limit: 1 }] });
    await admin.call('DELETE', `/groups/${kind}/constructor`);
    await admin.call('DELETE', `/groups/${kind}`);
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ origins: {} });
  });
});

it('change nothing by a body that names nothing known, and say so', async () => {
  await admin.call('PUT', '/groups/trunk', { default: 3 });
  const { version } = (await admin.call('GET', '/limits')).body;
  const misspelt = { limits: 4, reason: 'typo' };
  for (const path of ['/groups/trunk', '/groups/trunk/west']) {
    expect(await admin.call('PUT', path, misspelt)).toMatchObject({
      status: 200,
      body: { message: expect.stringContaining('nothing was changed'), warnings: ['limits: unknown field, ignored'] },
    });
  }
  expect((await admin.call('GET', '/limits')).body).toMatchObject({ version });
});

describe('groups', () => {
  beforeEach(async () => {
    await admin.call('PUT', '/groups/trunk', { default: 2 });
    await admin.call('PUT', '/groups/carrier', { default: 9 });
  });

  it('are limited by name for the next decision, and shown', async () => {
    const settings = {
      limit: 1,
      parent: 'carrier:acme',
      rate: { per_second: 5, burst: 9 },
      observe: false,
      reason: 'test',
    };
    expect(await admin.call('PUT', '/groups/trunk/west', settings)).toMatchObject({
      status: 200,
      body: { success: true, group: 'trunk:west' },
    });
    await fleet.admitIn(['trunk:west']);
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'rejected', limits: [{ max: 1 }] });
    expect(await groupOf('trunk/west')).toEqual({
      group: 'trunk:west',
      kind: 'trunk',
      name: 'west',
      limit: 1,
      activeSessions: 1,
      parent: 'carrier:acme',
      ancestors: ['carrier:acme'],
      action: 'reject',
      rate: { per_second: 5, burst: 9 },
      observed: false,
      reserve: null,
      temporary: null,
      origin: { by: 'local', at: expect.any(String), reason: 'test' },
    });
    expect(await groupOf('carrier/acme')).toMatchObject({ activeSessions: 1, limit: 9 });
  });

  it('are measured only while they are observed', async () => {
    await admin.call('PUT', '/groups/trunk/west', { observe: true });
    for (let i = 0; i < 3; i++) expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'admitted' });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ observe: ['group:trunk:west'] });
    await admin.call('PUT', '/groups/trunk/west', { observe: false });
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'rejected' });
  });

  it('keep places for emergencies', async () => {
    const reserve = { group: 'priority:emergency', places: 1 };
    await admin.call('PUT', '/groups/trunk/west', { limit: 2, reserve });
    expect(await groupOf('trunk/west')).toMatchObject({ reserve });
    await fleet.admitIn(['trunk:west']);
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'rejected' });
    await admin.call('PUT', '/groups/trunk/west', { reserve: null });
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'admitted' });
  });

  it('lose their parent by null, also one that the file gives them, until that is lifted', async () => {
    await admin.call('PUT', '/groups/trunk/west', { parent: 'carrier:acme' });
    await admin.call('PUT', '/groups/trunk/west', { parent: null });
    expect(await groupOf('trunk/west')).toMatchObject({ parent: null, ancestors: [] });
    const file = { groups: { trunk: { parents: { west: 'carrier:acme' } } } };
    await fleet.store.limits.publishFile(DEFAULT_TENANT, file, 'gateway');
    expect(await groupOf('trunk/west')).toMatchObject({ parent: 'carrier:acme' });
    await admin.call('PUT', '/groups/trunk/west', { parent: null });
    expect(await groupOf('trunk/west')).toMatchObject({ parent: null, ancestors: [] });
    await admin.call('PUT', '/groups/trunk/west', { parent: 'carrier:other' });
    expect(await groupOf('trunk/west')).toMatchObject({ parent: 'carrier:other' });
  });

  it('go back to the file, else to their kind, with all their settings', async () => {
    const reserve = { group: 'priority:emergency', places: 1 };
    await admin.call('PUT', '/groups/trunk/west', { limit: 9, parent: 'carrier:acme', observe: true, reserve });
    await admin.call('POST', '/groups/trunk/west/temporary-limit', { limit: 10, duration: '1h' });
    expect((await admin.call('DELETE', '/groups/trunk/west')).body).toMatchObject({ success: true, limit: 2 });
    expect(await groupOf('trunk/west')).toMatchObject({
      limit: 2,
      parent: null,
      observed: false,
      reserve: null,
      temporary: null,
      origin: null,
    });
    expect((await admin.call('GET', '/groups')).body).toMatchObject({ groups: [], total: 0 });
  });

  it('have a temporary limit that is in force, shown, and ended early', async () => {
    await admin.call('PUT', '/groups/trunk/west', { limit: 1 });
    const { status, body } = await admin.call('POST', '/groups/trunk/west/temporary-limit', {
      limit: 3,
      duration: '15m',
      reason: 'a fair',
    });
    expect([status, body]).toMatchObject([200, { success: true, group: 'trunk:west', limit: 3, reason: 'a fair' }]);
    for (let i = 0; i < 3; i++) await fleet.admitIn(['trunk:west']);
    expect(await fleet.admitIn(['trunk:west'])).toMatchObject({ kind: 'rejected', limits: [{ max: 3 }] });
    expect(await groupOf('trunk/west')).toMatchObject({
      limit: 3,
      temporary: { limit: 3, expiresAt: body['expiresAt'], by: 'local', reason: 'a fair' },
    });
    expect((await admin.call('DELETE', '/groups/trunk/west/temporary-limit')).body).toMatchObject({
      limit: 1,
      in_use: [{ key: 'group:trunk:west', over: 2 }],
    });
  });

  it('are on exactly one page each, those with most sessions first', async () => {
    for (const name of ['a', 'b', 'c']) await admin.call('PUT', `/groups/trunk/${name}`, { limit: 5 });
    await fleet.admitIn(['trunk:c']);
    await fleet.admitIn(['trunk:c']);
    await fleet.admitIn(['trunk:live']);
    const pages = [];
    for (const page of [1, 2, 3]) pages.push((await admin.call('GET', `/groups?page=${page}&limit=2`)).body);
    const names = pages.map(({ groups }) => (groups as { name: string }[]).map(({ name }) => name));
    expect(names).toEqual([['c', 'live'], ['a', 'b'], []]);
    expect(pages[0]).toMatchObject({ total: 4, page: 1, limit: 2 });
    expect(await groupOf('carrier')).toMatchObject({ total: 0 });
  });

  it.each([['a/b'], ['%41'], ['ünïcødé 漢字'], ['west:2'], ['temporary-limit'], ['x'.repeat(128)]])(
    'may be named %s',
    async (name) => {
      const path = `trunk/${encoded(name)}`;
      expect(await admin.call('PUT', `/groups/${path}`, { limit: 1 })).toMatchObject({ status: 200 });
      expect(await groupOf(path)).toMatchObject({ group: `trunk:${name}`, name, limit: 1 });
      await fleet.admitIn([`trunk:${name}`]);
      expect(await fleet.admitIn([`trunk:${name}`])).toMatchObject({ kind: 'rejected' });
    },
  );

  it.each([
    ['PUT', '/groups/Trunk', { default: 1 }, 'kind'],
    ['PUT', `/groups/${'k'.repeat(33)}`, { default: 1 }, 'kind'],
    ['PUT', '/groups/trunk', { default: 1.5 }, 'default'],
    ['PUT', '/groups/trunk', { action: 'explode' }, 'action'],
    ['PUT', '/groups/trunk', { rate: { per_second: 1 } }, 'rate.burst'],
    ['PUT', '/groups/nobody/west', { limit: 1 }, 'kind'],
    ['POST', '/groups/nobody/west/temporary-limit', { limit: 1, duration: 60 }, 'kind'],
    ['PUT', `/groups/trunk/${'x'.repeat(129)}`, { limit: 1 }, 'name'],
    ['PUT', '/groups/trunk/%00', { limit: 1 }, 'name'],
    ['PUT', '/groups/trunk/west', { limit: '7' }, 'limit'],
    ['PUT', '/groups/trunk/west', { limit: [null] }, 'limit'],
    ['PUT', '/groups/trunk/west', { parent: 7 }, 'parent'],
    ['PUT', '/groups/trunk/west', { parent: 'acme' }, 'groups.trunk.parents.west'],
    ['PUT', '/groups/trunk/west', { parent: 'trunk:west' }, 'groups.trunk.parents.west'],
    ['PUT', '/groups/trunk/west', { parent: 'priority:emergency' }, 'groups.trunk.parents.west'],
    ['PUT', '/groups/trunk/west', { observe: 'yes' }, 'observe'],
    ['PUT', '/groups/trunk/west', { reserve: { group: 'x', places: 1 } }, 'reserve.group'],
    [
      'PUT',
      '/groups/trunk/west',
      { reserve: { group: 'priority:emergency', places: 3 } },
      'reserves.group:trunk:west.places',
    ],
    [
      'PUT',
      '/groups/trunk/west',
      { limit: 0, reserve: { group: 'priority:emergency', places: 1 } },
      'reserves.group:trunk:west.places',
    ],
    [
      'PUT',
      '/groups/trunk/west',
      { limit: 20_000, reserve: { group: 'priority:emergency', places: 1 } },
      'reserves.group:trunk:west.places',
    ],
    ['POST', '/groups/trunk/west/temporary-limit', { limit: 1, duration: '367d' }, 'duration'],
    ['GET', '/groups?limit=1001', undefined, 'limit'],
    ['GET', '/groups/trunk?page=0', undefined, 'page'],
  ] as const)('%s %s with %j is refused with the path %s', async (method, path, body, at) => {
    const { version } = (await admin.call('GET', '/limits')).body;
    expect(await admin.call(method, path, body)).toMatchObject({
      status: 400,
      body: { errors: [{ path: at, message: expect.any(String) }] },
    });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ version });
  });

  it('cannot be within themselves by a detour, nor below too many others', async () => {
    await admin.call('PUT', '/groups/trunk/west', { parent: 'carrier:acme' });
    expect(await admin.call('PUT', '/groups/carrier/acme', { parent: 'trunk:west' })).toMatchObject({
      status: 400,
      body: { errors: [{ path: expect.stringMatching(/^groups\.(trunk|carrier)\.parents\./) }] },
    });
    for (const i of [1, 2, 3, 4]) {
      const within = await admin.call('PUT', `/groups/carrier/${i}`, { parent: `carrier:${i + 1}` });
      expect(within).toMatchObject({ status: 200 });
    }
    expect(await admin.call('PUT', '/groups/carrier/5', { parent: 'carrier:6' })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'groups.carrier.parents.1' }] },
    });
  });
});

describe('kinds that sessions make', () => {
  it('are paged as groups are, each on exactly one page, and never more than asked for', async () => {
    await fleet.store.limits.change(DEFAULT_TENANT, (api) => ({ ...api, maxSessionsPerUser: 0 }));
    for (let i = 0; i < 300; i += 1) {
      await fleet.admitIn(Array.from({ length: 8 }, (_, n) => `k${i}-${n}:x`));
    }
    const seen = { kinds: [] as string[], groups: [] as string[] };
    for (let page = 1; ; page += 1) {
      const { body } = await admin.call('GET', `/groups?limit=500&page=${page}`);
      const { kinds, groups } = body as { kinds: { kind: string }[]; groups: { group: string }[] };
      expect(body).toMatchObject({ totalKinds: 2_400, total: 2_400, page, limit: 500 });
      expect(Math.max(kinds.length, groups.length)).toBeLessThanOrEqual(500);
      if (kinds.length + groups.length === 0) break;
      seen.kinds.push(...kinds.map(({ kind }) => kind));
      seen.groups.push(...groups.map(({ group }) => group));
    }
    expect([seen.kinds.length, new Set(seen.kinds).size]).toEqual([2_400, 2_400]);
    expect([seen.groups.length, new Set(seen.groups).size]).toEqual([2_400, 2_400]);
    const one = await admin.call('GET', '/groups?limit=1');
    expect(JSON.stringify(one.body).length).toBeLessThan(2_000);
    expect((await admin.call('GET', '/groups/k7-3?limit=1')).body).toMatchObject({
      kind: 'k7-3',
      groups: [{ group: 'k7-3:x', activeSessions: 1 }],
      total: 1,
    });
    expect((await admin.call('GET', '/groups/k7?limit=1')).body).toMatchObject({ configured: false, total: 0 });
  });
});
