import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { HOUR_MS } from '#basics';
import type { HistoryDatabase } from '#session-history';

import { forEachTest } from '../../admin-suite.fixture.js';
import { type Admin, encoded } from '../../limits-admin.fixture.js';
import { admitted, ended, fill, get, refused, startWithHistory } from './history.fixture.js';

let admin: Admin;
let database: HistoryDatabase;

const suite = forEachTest();

const ids = (body: Record<string, unknown>) => (body['data'] as { id: string }[]).map(({ id }) => id);

async function idsOf(query: string): Promise<string[]> {
  return ids((await admin.call('GET', `/history${query}`)).body);
}

describe.each(['memory', 'sqlite'])('history in %s', (kind) => {
  beforeEach(async () => {
    const url = kind === 'sqlite' ? `sqlite://${join(suite.dir, 'history.db')}` : 'memory:';
    ({ admin, database } = await startWithHistory(suite.start, url));
  });

  it('shows a session as the row of the contract, live and ended', async () => {
    const session = { id: 'call@host', startedAtMs: suite.nowMs - 60_000 };
    await database.apply([admitted(session)]);
    const row = {
      id: 'call@host',
      user: 'alice',
      source_ip: '192.0.2.10',
      source_port: 5060,
      dest_ip: '198.51.100.7',
      dest_port: 5060,
      protocol: 'sip',
      status: 'active',
      acl_decision: null,
      acl_rule: null,
      bytes_sent: 0,
      bytes_received: 0,
      packets_sent: 0,
      packets_received: 0,
      start_time: new Date(suite.nowMs - 60_000).toISOString(),
      end_time: null,
      duration_seconds: null,
      close_reason: null,
      ended_by: null,
    };
    const page = { total: 1, page: 1, page_size: 50, total_pages: 1, nextCursor: null };
    expect(await admin.call('GET', '/history')).toMatchObject({ status: 200 });
    expect((await admin.call('GET', '/history')).body).toEqual({ data: [row], ...page });
    const totals = { bytesSent: 10, bytesReceived: 20, packetsSent: 3, packetsReceived: 4 };
    await database.apply([ended(session, 30, 'node_lost', totals)]);
    const after = {
      ...row,
      status: 'failed',
      bytes_sent: 10,
      bytes_received: 20,
      packets_sent: 3,
      packets_received: 4,
      end_time: new Date(suite.nowMs - 30_000).toISOString(),
      duration_seconds: 30,
      close_reason: 'node_lost',
    };
    expect((await admin.call('GET', '/history')).body).toEqual({ data: [after], ...page });
    expect((await get(admin, '/api/users/alice/sessions')).body).toEqual({ data: [after], ...page });
  });

  it('filters by user in any spelling, host, status and age, alone and together', async () => {
    const at = (hours: number) => suite.nowMs - hours * HOUR_MS;
    await database.apply([
      admitted({ id: 'a1', user: 'alice', startedAtMs: at(1), destination: 'example.com:443' }),
      admitted({ id: 'a2', user: 'alice', startedAtMs: at(30) }),
      ended({ id: 'a2', user: 'alice', startedAtMs: at(30) }, 60),
      admitted({ id: 'b1', user: 'bob', startedAtMs: at(2), destination: 'example.com:443' }),
      refused({ sessionId: 'r1', user: 'bob', atMs: at(3), rule: 'no east' }),
      refused({ sessionId: 'r2', atMs: at(4), limits: [{ scope: 'user', key: 'alice', max: 1, active: 1 }] }),
    ]);
    expect(await idsOf('')).toEqual(['a1', 'b1', 'r1', 'r2', 'a2']);
    expect(await idsOf('?user=&status=&hours=&page_size=&cursor=&sort_by=')).toHaveLength(5);
    expect(await idsOf('?user=ALICE')).toEqual(['a1', 'r2', 'a2']);
    expect(await idsOf(`?username=${encoded('sip:bob@example.com')}`)).toEqual(['b1', 'r1']);
    expect(await idsOf('?dest_ip=example.com')).toEqual(['a1', 'b1']);
    expect(await idsOf('?status=active')).toEqual(['a1', 'b1']);
    expect(await idsOf('?status=rejected_by_acl')).toEqual(['r1']);
    expect(await idsOf('?status=rejected_by_limit')).toEqual(['r2']);
    expect(await idsOf('?hours=24')).toEqual(['a1', 'b1', 'r1', 'r2']);
    expect(await idsOf('?timeRange=90m')).toEqual(['a1']);
    expect(await idsOf('?timeRange=9000')).toEqual(['a1', 'b1']);
    expect(await idsOf('?user=alice&dest_ip=example.com&status=active&hours=2')).toEqual(['a1']);
    expect(await idsOf('?user=nobody')).toEqual([]);
    expect(ids((await get(admin, '/api/users/ALICE/sessions?status=closed')).body)).toEqual(['a2']);
    const { body } = await admin.call('GET', '/history?status=rejected_by_acl');
    expect(body['data']).toMatchObject([{ acl_rule: 'no east', acl_decision: 'block', user: 'bob' }]);
  });

  it('finds what began from one time on and before another one, to the millisecond', async () => {
    const at = (ms: number) => new Date(suite.nowMs - 3 * HOUR_MS + ms).toISOString();
    const recorded = [0, 1, 5_000, 2 * HOUR_MS].map((ms) => ({
      id: `s${ms}`,
      startedAtMs: suite.nowMs - 3 * HOUR_MS + ms,
    }));
    await fill(database, recorded);
    expect(await idsOf(`?from=${at(0)}`)).toEqual(['s7200000', 's5000', 's1', 's0']);
    expect(await idsOf(`?from=${at(1)}&to=${at(2 * HOUR_MS)}`)).toEqual(['s5000', 's1']);
    expect(await idsOf(`?to=${at(1)}`)).toEqual(['s0']);
    expect(await idsOf(`?from=${at(0).replace('Z', '001Z')}&to=${at(5_000).replace('Z', '001Z')}`)).toEqual([
      's5000',
      's1',
    ]);
    const inBerlin = new Date(Date.parse(at(5_000)) + HOUR_MS).toISOString().replace('Z', '%2B01:00');
    expect(await idsOf(`?from=${inBerlin}&to=9999-12-31T23:59:59.9999Z`)).toEqual(['s7200000', 's5000']);
    expect((await admin.call('GET', `/history?from=${at(0)}&to=${at(1)}`)).body).toMatchObject({ total: 1 });
    expect(ids((await get(admin, `/api/users/alice/sessions?from=${at(2)}&to=${at(6_000)}`)).body)).toEqual(['s5000']);
  });

  it('finds what is asked of one session, call, address, node or group, in lists, exports and violations', async () => {
    const full = (scope: string, key: string) => [{ scope, key, max: 1, active: 1 }];
    const odd = 'a/b%2F c?#"é"@host';
    const at = (minutes: number) => suite.nowMs - minutes * 60_000;
    await database.apply([
      admitted({
        id: odd,
        startedAtMs: at(1),
        sourceIp: '2001:db8::7',
        correlationId: 'leg/1',
        groups: ['trunk:west'],
      }),
      ended({ id: odd, startedAtMs: at(1) }, 10),
      admitted({ id: odd, startedAtMs: at(3), node: 'b2bua-2', user: 'bob', groups: ['trunk:west', 'site:a'] }),
      admitted({ id: 'call-2', startedAtMs: at(4), node: 'b2bua-2', correlationId: 'leg/1' }),
      refused({
        sessionId: odd,
        atMs: at(5),
        limits: full('group', 'trunk:west'),
        node: 'b2bua-2',
        correlationId: 'leg/1',
      }),
      refused({ sessionId: 'r2', atMs: at(6), limits: full('user', 'alice'), sourceIp: '2001:db8:0:0::7' }),
    ]);
    const asked: [query: string, starts: number[]][] = [
      [`session_id=${encoded(odd)}`, [1, 3, 5]],
      [`session_id=${encoded(odd)}&user=bob`, [3]],
      ['correlation_id=leg/1', [1, 4, 5]],
      ['source_ip=2001:DB8::0007', [1, 6]],
      ['node=b2bua-2', [3, 4, 5]],
      ['node=b2bua-2&status=active', [3, 4]],
      ['group=trunk:west', [1, 3, 5]],
      ['group=trunk:west&status=rejected_by_limit', [5]],
      ['group=site:a&node=b2bua-2&correlation_id=', [3]],
      ['group=site:b', []],
    ];
    const startOf = (minutes: number) => new Date(at(minutes)).toISOString();
    for (const [query, minutes] of asked) {
      const { body } = await admin.call('GET', `/history?${query}`);
      const starts = (body['data'] as { start_time: string }[]).map(({ start_time }) => start_time);
      expect([query, body['total'], starts]).toEqual([query, minutes.length, minutes.map(startOf)]);
      const { payload } = await admin.app.inject(`/api/sessions/history/export?format=jsonl&${query}`);
      const lines = payload
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { start_time: string }).start_time);
      expect([query, lines.toReversed()]).toEqual([query, minutes.map(startOf)]);
    }
    const violations = async (query: string) =>
      ((await admin.call('GET', `/violations?${query}`)).body['violations'] as { at: string }[]).map((one) => one.at);
    expect(await violations(`session_id=${encoded(odd)}`)).toEqual([startOf(5)]);
    for (const query of [
      'node=b2bua-2',
      'correlation_id=leg/1',
      'group=trunk:west',
      `to=${startOf(4)}&from=${startOf(5)}`,
    ]) {
      expect([query, await violations(query)]).toEqual([query, [startOf(5)]]);
    }
    expect(await violations('source_ip=2001:db8::7&hours=1')).toEqual([startOf(6)]);
    expect(await violations(`to=${startOf(6)}`)).toEqual([]);
  });

  it('knows a destination by one address, however it was written and is asked for', async () => {
    const at = (minutes: number) => suite.nowMs - minutes * 60_000;
    await database.apply([
      admitted({ id: 's1', startedAtMs: at(1), destination: '[2001:db8::7]:443' }),
      admitted({ id: 's2', startedAtMs: at(2), destination: '[2001:DB8:0:0::7]:443' }),
      admitted({ id: 's3', startedAtMs: at(3), destination: '[2001:0db8::0007]:0443' }),
      admitted({ id: 'h1', startedAtMs: at(4), destination: 'Example.COM.:443' }),
    ]);
    for (const written of ['2001:db8::7', '[2001:DB8::7]', '2001:0db8:0000:0000:0000:0000:0000:0007']) {
      expect(await idsOf(`?dest_ip=${encodeURIComponent(written)}`)).toEqual(['s1', 's2', 's3']);
    }
    expect(await idsOf('?dest_ip=EXAMPLE.com.')).toEqual(['h1']);
    const { body: stats } = await admin.call('GET', '/stats?window_hours=24');
    expect(stats['top_destinations']).toEqual([
      { dest: '[2001:db8::7]:443', sessions: 3 },
      { dest: 'example.com:443', sessions: 1 },
    ]);
    for (const junk of ['example.com:443', 'fe80::1%25eth0', '192.0.2.256']) {
      const { status, body } = await admin.call('GET', `/history?dest_ip=${junk}`);
      expect({ status, errors: body['errors'] }).toMatchObject({
        status: 400,
        errors: [{ path: 'dest_ip', message: expect.stringMatching(/^must be an IP address or a host name/) }],
      });
    }
  });

  it('has each row on one page by number, by either name of the size, and by cursor while others come in', async () => {
    const all = Array.from({ length: 25 }, (_, i) => ({ id: `s${i}`, startedAtMs: suite.nowMs - i * 1_000 - 60_000 }));
    await fill(database, all);
    const numbered = [];
    for (const page of [1, 2, 3, 4]) numbered.push(...(await idsOf(`?page=${page}&page_size=10`)));
    expect(numbered).toEqual(all.map(({ id }) => id));
    expect((await admin.call('GET', '/history?limit=10&page=3')).body).toMatchObject({
      total: 25,
      page: 3,
      page_size: 10,
      total_pages: 3,
    });
    const seen = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await admin.call('GET', `/history?page_size=10&cursor=${cursor}`);
      seen.push(...ids(body));
      cursor = body['nextCursor'] as string | null;
      await database.apply([admitted({ id: `late${seen.length}`, startedAtMs: suite.nowMs })]);
    }
    expect(seen).toEqual(all.map(({ id }) => id));
  });

  it.each([
    ['start_time', ['c', 'b', 'a']],
    ['end_time', ['b', 'c', 'a']],
    ['duration_seconds', ['b', 'a', 'c']],
    ['duration_secs', ['b', 'a', 'c']],
    ['bytes_sent', ['a', 'c', 'b']],
    ['bytes_received', ['c', 'a', 'b']],
    ['user', ['b', 'a', 'c']],
    ['status', ['b', 'c', 'a']],
    ['dest_ip', ['a', 'c', 'b']],
  ])('sorts by %s, both ways, and goes on by cursor in that order', async (column, falling) => {
    const recorded = [
      { id: 'a', user: 'bob', startedAtMs: suite.nowMs - 900_000, destination: 'z.example:1' },
      { id: 'b', user: 'carol', startedAtMs: suite.nowMs - 800_000, destination: 'a.example:1' },
      { id: 'c', user: 'alice', startedAtMs: suite.nowMs - 700_000, destination: 'm.example:1' },
    ] as const;
    const [a, b, c] = recorded;
    await database.apply([
      ...recorded.map(admitted),
      ended(a, 200, 'completed', { bytesSent: 9, bytesReceived: 5 }),
      ended(b, 700, 'node_lost', { bytesSent: 1, bytesReceived: 1 }),
      ended(c, 100, 'completed', { bytesSent: 5, bytesReceived: 9 }),
    ]);
    expect(await idsOf(`?sort_by=${column}`)).toEqual(falling);
    expect(await idsOf(`?sort_by=${column}&sort_dir=desc`)).toEqual(falling);
    expect(await idsOf(`?sort_by=${column}&sort_dir=asc`)).toEqual(falling.toReversed());
    const { body } = await admin.call('GET', `/history?sort_by=${column}&sort_dir=asc&limit=2`);
    expect(await idsOf(`?limit=2&cursor=${String(body['nextCursor'])}`)).toEqual(falling.toReversed().slice(2));
  });

  it('has refusals by limits under the first of user, group, ip and total, newest first', async () => {
    const user = { scope: 'user', key: 'alice', max: 5, active: 5 };
    const total = { scope: 'total', key: '*', max: 9, active: 9 };
    await database.apply([
      refused({ sessionId: 'v1', atMs: suite.nowMs - 2 * HOUR_MS, limits: [total, user] }),
      refused({ atMs: suite.nowMs - HOUR_MS, limits: [user], count: 40 }),
      refused({ sessionId: 'v3', atMs: suite.nowMs - 1_000, limits: [total], user: 'bob' }),
      refused({ sessionId: 'v4', atMs: suite.nowMs - 1_000, rule: 'no east' }),
      admitted({ id: 'no refusal', startedAtMs: suite.nowMs }),
    ]);
    const at = (agoMs: number) => new Date(suite.nowMs - agoMs).toISOString();
    const all = [
      { at: at(1_000), username: 'bob', ...total, action: 'reject', call_id: 'v3' },
      { at: at(HOUR_MS), username: 'alice', ...user, action: 'reject', call_id: null, count: 40 },
      {
        at: at(2 * HOUR_MS),
        username: 'alice',
        ...user,
        action: 'reject',
        call_id: 'v1',
        limits: [
          { ...total, action: 'reject' },
          { ...user, action: 'reject' },
        ],
      },
    ];
    const violations = async (query: string) => (await admin.call('GET', `/violations${query}`)).body;
    expect(await violations('')).toEqual({ violations: all, total: 3, page: 1, limit: 50 });
    expect(await violations('?timeRange=90m')).toEqual({ violations: all.slice(0, 2), total: 2, page: 1, limit: 50 });
    expect(await violations('?page=2&limit=2')).toEqual({ violations: all.slice(2), total: 3, page: 2, limit: 2 });
  });
});
