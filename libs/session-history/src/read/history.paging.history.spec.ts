import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { HOUR_MS } from '#basics';

import type { HistoryEvent, HistoryQuery, SessionRow, Sort } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { allRows } from '../../test/rows.fixture.js';
import { happening, World } from '../../test/world.fixture.js';

const START = Date.now() - 4 * 24 * HOUR_MS;
const keyOf = ({ session_id, start_time }: SessionRow) => `${start_time} ${session_id}`;

const NARROWING = [
  'user',
  'destIp',
  'status',
  'sessionId',
  'correlationId',
  'sourceIp',
  'group',
  'node',
  'nodes',
] as const satisfies (keyof HistoryQuery)[];

/** Whether a filter lets a row through, plainly. */
function isMeant(row: SessionRow, { sinceMs, untilMs, group, nodes, ...filter }: HistoryQuery): boolean {
  const startMs = Date.parse(row.start_time);
  const full = JSON.parse(row.limits ?? '[]') as { scope: string; key: string }[];
  const groups = row.refusals > 0 ? full.map(({ scope, key }) => `${scope} ${key}`) : JSON.parse(row.groups);
  const columns = [
    [filter.user, row.user],
    [filter.destIp, row.dest_ip],
    [filter.status, row.status],
    [filter.sessionId, row.session_id],
    [filter.correlationId, row.correlation_id],
    [filter.sourceIp, row.source_ip],
    [filter.node, row.node],
  ];
  return (
    (sinceMs === undefined || startMs >= sinceMs) &&
    (untilMs === undefined || startMs < untilMs) &&
    (group === undefined || groups.includes(row.refusals > 0 ? `group ${group}` : group)) &&
    (nodes === undefined || nodes.includes(row.node) || (nodes.includes('n*') && row.node !== '')) &&
    columns.every(([wanted, is]) => wanted === undefined || wanted === is)
  );
}

describeDatabases('paging', ({ forAll, open }) => {
  const filters: fc.Arbitrary<HistoryQuery> = fc.record(
    {
      sinceMs: fc.nat(5 * 24 * HOUR_MS).map((ms) => START - HOUR_MS + ms),
      user: fc.constantFrom('alice', '=cmd|x', 'nobody', ''),
      destIp: fc.constantFrom('198.51.100.7', '2001:db8::1', 'nowhere'),
      status: fc.constantFrom(
        'active' as const,
        'closed' as const,
        'rejected_by_limit' as const,
        'rejected_by_acl' as const,
      ),
      untilMs: fc.nat(5 * 24 * HOUR_MS).map((ms) => START - HOUR_MS + ms),
      sessionId: fc.oneof(
        fc.nat(30).map((n) => `call-${n}@pc`),
        fc.constantFrom('again-1@pc', 'proxy-1'),
      ),
      correlationId: fc.constantFrom('=1+1', 'none'),
      sourceIp: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.9'),
      group: fc.constantFrom('trunk:west', 'site:a', 'site:b'),
      node: fc.constantFrom('n0', 'n1', 'n9'),
      nodes: fc.constantFrom(['n1'], ['n*'], []),
    },
    { requiredKeys: [] },
  );
  // Few of them at once: else nothing is left to be shown.
  const questions = fc.tuple(filters, fc.shuffledSubarray(NARROWING, { maxLength: 2 })).map(([filter, some]) => {
    const dropped = NARROWING.filter((name) => !some.includes(name));
    return Object.fromEntries(Object.entries(filter).filter(([name]) => !dropped.some((one) => one === name)));
  });
  const worlds = fc.array(happening(3 * HOUR_MS), { minLength: 20, maxLength: 150 });
  const examples = { sqlite: { short: 10, long: 30 }, postgres: { short: 4, long: 8 } };

  it('by number shows what the filter lets through, in order, any page, with the right total', async () => {
    await forAll(
      examples,
      fc.asyncProperty(
        worlds,
        questions,
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.integer({ min: 1, max: 9 }),
        async (list, filter, sortDir, pageSize) => {
          const database = await open();
          await database.apply(new World(START).run(list).events);
          const all = await allRows(database, 'default', { sortDir: 'asc' });
          const expected = all.filter((row) => isMeant(row, filter));
          if (sortDir === 'desc') expected.reverse();
          const read = await allRows(database, 'default', { ...filter, sortDir, pageSize });
          expect(read.map(keyOf)).toEqual(expected.map(keyOf));
          for (const page of [
            1,
            2,
            3,
            Math.ceil(expected.length / pageSize),
            Math.ceil(expected.length / pageSize) + 1,
          ]) {
            if (page < 1) continue;
            const found = await database.history('default', { ...filter, sortDir, page, pageSize });
            expect(found).toMatchObject({
              total: expected.length,
              page,
              pageSize,
              totalPages: Math.ceil(expected.length / pageSize),
            });
            expect(found.rows.map(keyOf)).toEqual(expected.slice((page - 1) * pageSize, page * pageSize).map(keyOf));
          }
        },
      ),
    );
  });

  it.each<Sort>(['start_time', 'end_time', 'duration_seconds', 'bytes_sent', 'user', 'status', 'dest_ip'])(
    'by cursor in the order of %s covers each row exactly once',
    async (sortBy) => {
      const database = await open();
      const choices = Array.from({ length: 200 }, (_, at) => ({
        what: (['admit', 'admit', 'end'] as const)[at % 3] ?? 'admit',
        who: at % 8,
        which: at * 31,
        afterMs: (at % 3) * 700_000,
      }));
      await database.apply(new World(START).run(choices).events);
      const known = (await allRows(database, 'default')).map(keyOf).toSorted();
      for (const sortDir of ['asc', 'desc'] as const) {
        const seen = await allRows(database, 'default', { sortBy, sortDir, pageSize: 7 });
        expect(seen.map(keyOf).toSorted()).toEqual(known);
        const numbered = await database.history('default', { sortBy, sortDir, pageSize: 1_000 });
        expect(seen.map(keyOf)).toEqual(numbered.rows.map(keyOf));
      }
    },
  );

  it.each<HistoryQuery>([{}, { user: 'alice' }, { node: 'n0' }, { status: 'closed', node: 'n0' }])(
    'and exports of %j show what begins in the first millisecond of a span, and not what begins in the last',
    async (filter) => {
      const database = await open();
      const choices = Array.from({ length: 400 }, (_, at) => ({
        what: (['admit', 'end'] as const)[at % 2] ?? 'admit',
        who: at % 8,
        which: at * 31,
        afterMs: 1_000,
      }));
      await database.apply(new World(START).run(choices).events);
      const all = (await allRows(database, 'default', { sortDir: 'asc' })).filter((row) => isMeant(row, filter));
      const [first, last] = [all[2], all.at(-3)];
      const span = { sinceMs: Date.parse(first!.start_time), untilMs: Date.parse(last!.start_time) };
      const meant = all.filter((row) => isMeant(row, span)).map(keyOf);
      expect([meant[0], meant.length]).toEqual([keyOf(first!), all.length - 5]);

      const paged = await allRows(database, 'default', { ...filter, ...span, sortDir: 'asc', pageSize: 7 });
      expect(paged.map(keyOf)).toEqual(meant);
      const numbered = await database.history('default', { ...filter, ...span, sortDir: 'asc', pageSize: 1_000 });
      expect(numbered.rows.map(keyOf)).toEqual(meant);
      const keysIn = async (chunks: AsyncIterable<{ text: string }>) => {
        let text = '';
        for await (const chunk of chunks) text += chunk.text;
        const lines = text.split('\n').filter((line) => line !== '');
        return lines.map((line) => keyOf(JSON.parse(line) as SessionRow)).toSorted();
      };
      const over = new Set(all.filter(({ status }) => status !== 'active').map(keyOf));
      const everything = { after: 0, upTo: Number.MAX_SAFE_INTEGER };
      expect(await keysIn(database.export('default', { ...filter, ...span }, 'json-lines'))).toEqual(meant.toSorted());
      expect(
        await keysIn(database.exportRevisions('default', { ...filter, ...span }, 'json-lines', everything)),
      ).toEqual(meant.filter((key) => over.has(key)).toSorted());
    },
  );

  it('by cursor covers each row exactly once while rows come in at either end and in between', async () => {
    const database = await open();
    const event = (id: string, startedAtMs: number) => ({
      kind: 'ended' as const,
      tenant: 'default',
      atMs: startedAtMs,
      position: `${startedAtMs}-0`,
      levels: [],
      sessionId: id,
      attempt: 1,
      startedAtMs,
      totals: {},
      user: 'alice',
      node: '',
      endedAtMs: startedAtMs + 1,
      reason: 'completed' as const,
      note: '',
    });
    await database.apply(
      Array.from({ length: 100 }, (_, at) => event(`old-${at}`, START + Math.floor(at / 3) * 1_000)),
    );
    for (const sortDir of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      for (let cursor: string | undefined, n = 0; ; n += 1) {
        const page = await database.history('default', { sortDir, pageSize: 7, cursor });
        seen.push(...page.rows.map(({ session_id }) => session_id).filter((id) => id.startsWith('old')));
        await database.apply(
          [START - n, START + n * 3_333, START + 10 * HOUR_MS + n].map((at, i) =>
            event(`new-${sortDir}-${n}-${i}`, at),
          ),
        );
        if (page.nextCursor === null || n > 200) break;
        cursor = page.nextCursor;
      }
      expect(seen.toSorted()).toEqual(Array.from({ length: 100 }, (_, at) => `old-${at}`).toSorted());
    }
  });

  it('refuses what can never be right, by its name', async () => {
    const database = await open();
    const path = async (query: HistoryQuery) =>
      await database.history('default', query).catch((error: unknown) => error);
    expect(await path({ pageSize: 1_001 })).toMatchObject({ code: 'invalid-request', path: 'page_size' });
    expect(await path({ page: 0 })).toMatchObject({ path: 'page' });
    for (const cursor of [
      '',
      'x',
      '!!',
      'bnVsbA',
      ...[
        [1, 'start_time', 2, '', '', ''],
        [1, 'start_time', 1, 5, '', ''],
        [1, 'start_time', 1, '', '', 'a\0b'],
        [1, 'bytes_sent', 1, 'abc', '', ''],
        [1, 'bytes_sent', 1, 1.5, '', ''],
        [1, 'duration_seconds', 1, 1e300, '', ''],
        [1, 'user', 1, 'a\0b', '', ''],
        [1, 'rowid', 1, '', '', ''],
      ].map((list) => Buffer.from(JSON.stringify(list)).toString('base64url')),
      'A'.repeat(3_000),
    ]) {
      expect(await path({ cursor })).toMatchObject({ path: 'cursor' });
    }
    expect((await database.history('default', { user: "x' or 1=1 --" })).total).toBe(0);
  });

  it('names a refusal by the first of user, group, ip and total that was full', async () => {
    const database = await open();
    const limits = ['total', 'ip', 'group'].map((scope) => ({ scope, key: scope, max: 1, active: 1 }));
    const [event] = new World(START).run([{ what: 'refuse', who: 0, which: 4, afterMs: 0 }]).events;
    await database.apply([{ ...event!, limits } as HistoryEvent]);
    expect((await database.history('default')).rows).toMatchObject([{ refused_by: 'group' }]);
  });

  it('shows who was refused, by which limits, and how many a sum stands for', async () => {
    const database = await open();
    await database.apply(
      new World(START).run([
        { what: 'refuse', who: 0, which: 4, afterMs: 0 },
        { what: 'sum', who: 0, which: 6, afterMs: 1_000 },
        { what: 'forbid', who: 1, which: 0, afterMs: 1_000 },
      ]).events,
    );
    const { violations, total } = await database.violations('default', { user: 'alice' });
    expect(total).toBe(2);
    expect(violations).toMatchObject([
      { user: 'alice', sessionId: null, count: 7, limits: [{ scope: 'user', key: 'alice', max: 3, active: 3 }] },
      { user: 'alice', sessionId: 'again-4@pc', count: 1, limits: [{ scope: 'group', key: 'trunk:west' }] },
    ]);
    const forbidden = await database.history('default', { status: 'rejected_by_acl' });
    expect(forbidden.rows).toMatchObject([{ user: 'bob', acl_rule_matched: 'no "east"', acl_decision: 'block' }]);
  });
});
