import { describe, expect, it } from '@jest/globals';

import { forEachTest } from '../../admin-suite.fixture.js';
import type { Admin } from '../../limits-admin.fixture.js';
import { get, startWithHistory } from './history.fixture.js';

let admin: Admin;

forEachTest(async (suite) => {
  ({ admin } = await startWithHistory(suite.start));
});

const UNKNOWN = (name: string) => [[`?${name}=1`, name]] as const;
const WINDOW = [
  ['?timeRange=0', 'timeRange'],
  ['?timeRange=-1h', 'timeRange'],
  ['?timeRange=soon', 'timeRange'],
  ['?timeRange=91d', 'timeRange'],
  ['?timeRange=1h&timeRange=2h', 'timeRange'],
] as const;
const window = (name: string) =>
  [
    ...WINDOW,
    [`?${name}=0`, name],
    [`?${name}=-1`, name],
    [`?${name}=1.5`, name],
    [`?${name}=ten`, name],
    [`?${name}=2161`, name],
    [`?${name}=1&timeRange=1h`, 'timeRange'],
  ] as const;
const SPAN = [
  ['?from=yesterday', 'from'],
  ['?from=2026-11-21', 'from'],
  ['?from=2026-02-30T00:00:00Z', 'from'],
  ['?from=2026-11-21T00:00:00', 'from'],
  ['?from=2026-11-21T00:00:00+01:00', 'from'],
  ['?from=1000', 'from'],
  ['?from=9999-01-01T00:00:00Z', 'from'],
  ['?from=2001-01-01T00:00:00Z', 'from'],
  ['?to=2001-01-01T00:00:00Z', 'to'],
  ['?to=&to=', 'to'],
  ['?from=2001-01-01T00:00:00Z&to=2001-01-01T00:00:00Z', 'to'],
  ['?from=2002-01-01T00:00:00Z&to=2001-01-01T00:00:00Z', 'to'],
  ['?from=2001-01-01T00:00:00Z&hours=1', 'from'],
  ['?to=9999-01-01T00:00:00Z&timeRange=1h', 'to'],
] as const;
const FACTS = [
  ['?session_id=%00', 'session_id'],
  [`?session_id=${'i'.repeat(257)}`, 'session_id'],
  ['?session_id=a&session_id=b', 'session_id'],
  ['?source_ip=localhost', 'source_ip'],
  ['?source_ip=192.0.2.10:5060', 'source_ip'],
  ['?source_ip=fe80::1%25eth0', 'source_ip'],
  ['?node=%0A', 'node'],
  [`?node=${'n'.repeat(129)}`, 'node'],
  ['?group=west', 'group'],
  ['?group=TRUNK:west', 'group'],
  ['?group=trunk:', 'group'],
  ['?correlation_id=%00', 'correlation_id'],
] as const;
const ROWS = [
  ...SPAN,
  ...FACTS,
  ...window('hours'),
  ['?status=open', 'status'],
  ['?status=active&status=closed', 'status'],
  ['?dest_ip=%00', 'dest_ip'],
  [`?dest_ip=${'d'.repeat(257)}`, 'dest_ip'],
] as const;
const USER = [
  ['?user=_default', 'user'],
  ['?username=_default', 'username'],
  ['?user=%00', 'user'],
  ['?user=a&user=b', 'user'],
  ['?user=a&username=a', 'username'],
] as const;
const PAGE = [
  ['?page=0', 'page'],
  ['?page=-1', 'page'],
  ['?page=x', 'page'],
  ['?page_size=0', 'page_size'],
  ['?page_size=1001', 'page_size'],
  ['?limit=1001', 'limit'],
  ['?page_size=10&limit=10', 'limit'],
  ['?sort_by=colour', 'sort_by'],
  ['?sort_by=toString', 'sort_by'],
  ['?sort_by=session_id;drop', 'sort_by'],
  ['?sort_dir=up', 'sort_dir'],
  ['?cursor=nonsense', 'cursor'],
  [`?cursor=${Buffer.from('[1,"colour",1,"","",""]').toString('base64url')}`, 'cursor'],
  [`?cursor=${Buffer.from('{}').toString('base64url')}`, 'cursor'],
  [`?cursor=${'x'.repeat(4_000)}`, 'cursor'],
] as const;

const SESSIONS = '/api/sessions';
const BAD: [string, readonly (readonly [string, string])[]][] = [
  [`${SESSIONS}/history`, [...ROWS, ...USER, ...PAGE, ...UNKNOWN('windowhours'), ...UNKNOWN('constructor')]],
  ['/api/users/alice/sessions', [...ROWS, ...PAGE, ...UNKNOWN('user')]],
  [`${SESSIONS}/history/export`, [...ROWS, ...USER, ['?format=xml', 'format'], ...UNKNOWN('page')]],
  [`${SESSIONS}/stats`, [...window('window_hours'), ...UNKNOWN('hours')]],
  [
    `${SESSIONS}/violations`,
    [...window('hours'), ...SPAN, ...FACTS, ['?page=0', 'page'], ['?limit=1001', 'limit'], ...UNKNOWN('status')],
  ],
  [`${SESSIONS}/traffic`, [...window('window_hours'), ['?user=_default', 'user'], ...UNKNOWN('scope')]],
  [
    `${SESSIONS}/peaks`,
    [
      ...window('window_hours'),
      ['?scope=node', 'scope'],
      ['?name=alice', 'name'],
      ['?scope=user&name=_default', 'name'],
      ['?scope=group&name=west', 'name'],
      ['?scope=group&name=trunk:%00', 'name'],
      ['?top=5', 'top'],
      ['?scope=user&name=alice&top=5', 'top'],
      ['?scope=user&top=0', 'top'],
      ['?scope=user&top=1001', 'top'],
      ...UNKNOWN('users'),
    ],
  ],
];

describe('bad input', () => {
  it.each(BAD)('to %s is refused with the path', async (path, cases) => {
    for (const [query, name] of cases) {
      const reply = await get(admin, `${path}${query}`);
      expect([query, reply]).toMatchObject([
        query,
        { status: 400, body: { code: 'invalid-request', errors: [{ path: name }], error: expect.any(String) } },
      ]);
    }
  });

  it('over the retention is answered with what that is, and all of it may be asked for', async () => {
    const message = 'must be more than 0, and at most 2160 hours, for so long history is kept';
    const { body } = await get(admin, `${SESSIONS}/stats?window_hours=2161`);
    expect(body['errors']).toEqual([{ path: 'window_hours', message }]);
    expect(await get(admin, `${SESSIONS}/stats?window_hours=2160`)).toMatchObject({ body: { window_hours: 2160 } });
    expect(await get(admin, `${SESSIONS}/stats?timeRange=90d`)).toMatchObject({ body: { window_hours: 2160 } });
  });

  it('of a time is answered with what to write, and which two do not go together', async () => {
    const errors = async (query: string) => (await get(admin, `${SESSIONS}/history?${query}`)).body['errors'];
    const written = 'must be a time as RFC 3339 has it, such as 2026-11-21T00:00:00Z; in a query + is written %2B';
    expect(await errors('from=2026-11-21T00:00:00+01:00')).toEqual([{ path: 'from', message: written }]);
    const now = new Date().toISOString();
    const apart = 'goes without hours and timeRange: say how far back, or from when to when';
    expect(await errors(`from=${now}&hours=1`)).toEqual([{ path: 'from', message: apart }]);
    const order = 'must be later than from: what began at from is in, what began at to is not';
    expect(await errors(`from=${now}&to=${now}`)).toEqual([{ path: 'to', message: order }]);
    const old = 'must be at most 2160 hours ago, for so long history is kept';
    expect(await errors('from=2001-01-01T00:00:00Z')).toEqual([{ path: 'from', message: old }]);
    const future = [{ path: 'from', message: 'must not be in the future' }];
    expect(await errors('from=2999-01-01T00:00:00Z')).toEqual(future);
  });

  it('that is a misspelt filter is answered with those that there are', async () => {
    const { body } = await get(admin, `${SESSIONS}/violations?user=alice&time_range=1h`);
    const names = 'session_id, source_ip, node, group, correlation_id, hours, timeRange, from, to, page, limit';
    const message = `is not known here; known are ${names}`;
    expect(body['errors']).toEqual([
      { path: 'user', message },
      { path: 'time_range', message },
    ]);
  });

  it.each([['%00'], ['_default'], ['%0A'], ['a'.repeat(257)]])('names nobody: /api/users/%s/sessions', async (name) => {
    expect(await get(admin, `/api/users/${name}/sessions`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'user' }], error: expect.any(String) },
    });
  });
});
