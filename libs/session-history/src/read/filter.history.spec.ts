import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';

import { selectionOf } from './filter.js';
import { describeDatabases, expectIndexed, planOf, storeAt } from '../../test/databases.fixture.js';
import { FILTERS, START } from '../../test/filters.fixture.js';
import { World } from '../../test/world.fixture.js';

describeDatabases('the questions of history', ({ kind, url, emptyAfter, open, query }) => {
  describe('are answered from an index, in the order of the start', () => {
    it.each(FILTERS.map((filter) => [JSON.stringify(filter), filter] as const))('%s', async (_, filter) => {
      const at = await url();
      const database = await open({ url: at });
      // One of eight users in each: nearly every row is another's.
      const world = new World(START - 10_000_000).run(
        Array.from({ length: 1_500 }, (_one, n) => ({
          what: n % 3 === 2 ? ('end' as const) : ('admit' as const),
          who: n % 8,
          which: n,
          afterMs: 10_000,
        })),
      );
      await database.apply(world.events);
      const store = storeAt(kind, at);
      const { from, where } = selectionOf('default', filter);
      const page = sql`select * from ${from} where ${where} order by start_time desc, session_id desc limit 10`;
      try {
        expectIndexed(await planOf(store, page));
      } finally {
        await store.close();
      }
    });
  });

  it('about a group find what was written before there was a table of groups', async () => {
    const at = await emptyAfter('0003-erasures');
    const row = (id: string, groups: string[], limits: object[] | null) =>
      `('${id}', 'alice', '2026-01-01T00:00:00.000Z', '', 0, '', 0, 'sip', 0, 0, 0, 0, 'active', 'default', 1, '', 'active',
        '${JSON.stringify(groups)}', 'normal', '', 1, 0, '', '', ${limits === null ? 'null' : `'${JSON.stringify(limits)}'`})`;
    const full = (scope: string, key: string) => ({ scope, key, max: 1, active: 1 });
    const rows = [
      row('in', ['trunk:west', 'site:a'], null),
      row('out', [], null),
      row('refused', [], [full('user', 'alice'), full('group', 'trunk:west')]),
      row('other', [], [full('group', 'trunk:east')]),
    ];
    await query(
      at,
      `insert into sessions (session_id, "user", start_time, source_ip, source_port, dest_ip, dest_port, protocol, bytes_sent,
        bytes_received, packets_sent, packets_received, status, tenant, attempt, node, state, "groups", priority, note,
        authenticated, refusals, refused_by, event_id, limits) values ${rows.join(', ')} returning session_id`,
    );
    await (await open({ url: at })).close();
    expect(await query(at, 'select name, session_id from session_groups order by name, session_id')).toEqual([
      { name: 'site:a', session_id: 'in' },
      { name: 'trunk:east', session_id: 'other' },
      { name: 'trunk:west', session_id: 'in' },
      { name: 'trunk:west', session_id: 'refused' },
    ]);
  });

  it('about a group find nobody who is no longer there', async () => {
    const at = await url();
    const database = await open({ url: at });
    const world = new World(START).run(
      Array.from({ length: 200 }, (_, n) => ({
        what: (['admit', 'transfer', 'refuse', 'end'] as const)[n % 4] ?? 'admit',
        who: n % 8,
        which: n * 3,
        afterMs: 1_000,
      })),
    );
    await database.apply(world.events);
    const members = async () =>
      await query<{ n: number }>(
        at,
        `select count(*) as n from session_groups g where not exists (select 1 from sessions s
          where s.tenant = g.tenant and s.session_id = g.session_id and s.start_time = g.start_time)`,
      );
    expect(Number((await members())[0]?.n)).toBe(0);
    await database.removeOlderThan(START + 100_000);
    expect(Number((await members())[0]?.n)).toBe(0);
    const { total } = await database.history('default', { group: 'trunk:west' });
    expect(total).toBeGreaterThan(0);
  });
});
