import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { backUpFile, restoreFile, type HistoryDatabase, type HistoryFilter, type SessionRow } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { allRows } from '../../test/rows.fixture.js';
import { deliveries, happening, TENANTS, World } from '../../test/world.fixture.js';

const START = Date.UTC(2026, 10, 20, 12);

/** Every tenant's rows by what names them for good: of a refusal its event. */
type Exported = Map<string, SessionRow>;
const nameOf = (row: SessionRow) =>
  row.refusals > 0 ? `${row.tenant} ${row.event_id}` : `${row.tenant} ${row.session_id} ${row.start_time}`;

/** Exports from the revision on, and takes its lines one by one until `most` of them came. Returns where to go on. */
async function exported(
  database: HistoryDatabase,
  tenant: string,
  { after, most = Infinity, filter = {} }: { after: number; most?: number; filter?: HistoryFilter },
  take: (row: SessionRow) => void,
): Promise<number> {
  const { revision: upTo } = await database.lineage();
  let [seen, taken] = [after, 0];
  for await (const { text } of database.exportRevisions(tenant, filter, 'json-lines', { after, upTo })) {
    for (const line of text.split('\n').slice(0, -1)) {
      if (taken === most) return seen;
      const row = JSON.parse(line) as SessionRow;
      take(row);
      seen = row.revision ?? 0;
      taken += 1;
    }
  }
  return upTo;
}

describeDatabases('exports that follow each other', ({ kind, emptyAfter, forAll, open, url, query }) => {
  it('hold every row that is over once, and again only where it changed, wherever they break while rows come in', async () => {
    const breaks = fc.array(fc.oneof(fc.constant(Infinity), fc.nat(5)), { minLength: 1, maxLength: 20 });
    await forAll(
      { sqlite: { short: 15, long: 60 }, postgres: { short: 4, long: 12 } },
      fc.asyncProperty(
        fc.array(happening(3_600_000), { minLength: 30, maxLength: 120 }),
        fc.array(fc.nat(), { minLength: 50 }),
        fc.boolean(),
        breaks,
        async (list, choices, shuffled, most) => {
          const database = await open();
          const got: Exported = new Map();
          const revisions = new Set<string>();
          const at = new Map(TENANTS.map((tenant) => [tenant, 0]));
          const goOn = async (tenant: string, limit: number) => {
            const next = await exported(database, tenant, { after: at.get(tenant) ?? 0, most: limit }, (row) => {
              const before = got.get(nameOf(row));
              expect(revisions.has(`${row.tenant} ${row.revision}`)).toBe(false);
              expect(before && { ...before, revision: row.revision }).not.toEqual(row);
              revisions.add(`${row.tenant} ${row.revision}`);
              got.set(nameOf(row), row);
            });
            at.set(tenant, next);
          };
          let n = 0;
          for (const batch of deliveries(new World(START).run(list).events, choices, shuffled)) {
            await database.apply(batch);
            const limit = most[n % most.length] ?? 0;
            n += 1;
            for (const tenant of TENANTS) await goOn(tenant, limit);
          }
          for (const tenant of TENANTS) await goOn(tenant, Infinity);
          const rows = (await Promise.all(TENANTS.map((tenant) => allRows(database, tenant)))).flat();
          const over = rows.filter((row) => row.end_time !== null || row.refusals > 0 || row.revision !== null);
          const bare = (row: SessionRow) =>
            JSON.stringify([nameOf(row), row.status, row.end_time, row.bytes_sent, row.revision]);
          expect([...got.values()].map(bare).toSorted()).toEqual(over.map(bare).toSorted());
        },
      ),
    );
  });

  it('hold of a filter its rows alone, over many pieces', async () => {
    const database = await open();
    const { events } = new World(START).run(
      Array.from({ length: 3_000 }, (_, n) => ({
        what: n % 2 === 0 ? ('admit' as const) : ('end' as const),
        who: n % 8,
        which: n * 6,
        afterMs: 1_000,
      })),
    );
    await database.apply(events);
    const all = (await allRows(database, 'default', { sortDir: 'asc' })).filter((row) => row.end_time !== null);
    expect(all.length).toBeGreaterThan(1_000);
    for (const filter of [{}, { user: 'alice' }, { group: 'trunk:west', node: 'n0' }, { sinceMs: START + 2_000_000 }]) {
      const ids: string[] = [];
      await exported(database, 'default', { after: 0, filter }, (row) => ids.push(row.session_id));
      const wanted = await allRows(database, 'default', filter);
      expect(ids.toSorted()).toEqual(
        wanted.flatMap((row) => (row.end_time === null ? [] : [row.session_id])).toSorted(),
      );
    }
  });

  it('tell a session again that lives again, and what it came to', async () => {
    const database = await open();
    const world = new World(START).run([
      { what: 'admit', who: 0, which: 0, afterMs: 0 },
      { what: 'lose', who: 0, which: 0, afterMs: 1_000 },
      { what: 'lose', who: 0, which: 1, afterMs: 1_000 },
      { what: 'end', who: 0, which: 0, afterMs: 1_000 },
    ]);
    const exportedStates: string[] = [];
    let after = 0;
    for (const event of world.events) {
      await database.apply([event]);
      after = await exported(database, 'default', { after }, (row) =>
        exportedStates.push(row.close_reason ?? row.status),
      );
    }
    expect(exportedStates).toEqual(['node_lost', 'active', 'completed']);
  });

  it('hold what was over before there were revisions', async () => {
    const at = await emptyAfter('0001-sessions-and-rollups');
    const row = (id: string, end: string, refusals: number) =>
      `('${id}', 'alice', '2026-01-01T00:00:00.000Z', ${end}, '', 0, '', 0, 'sip', 0, 0, 0, 0, 'closed', 'default', 1, '', 'active',
        '[]', 'normal', '', 1, ${refusals}, '', '')`;
    const rows = [row('live', 'null', 0), row('ended', "'2026-01-01T00:01:00.000Z'", 0), row('refused', 'null', 1)];
    await query(
      at,
      `insert into sessions (session_id, "user", start_time, end_time, source_ip, source_port, dest_ip, dest_port, protocol, bytes_sent,
        bytes_received, packets_sent, packets_received, status, tenant, attempt, node, state, "groups", priority, note,
        authenticated, refusals, refused_by, event_id) values ${rows.join(', ')} returning session_id`,
    );
    const database = await open({ url: at });
    const ids: string[] = [];
    const after = await exported(database, 'default', { after: 0 }, (one) => ids.push(one.session_id));
    expect(ids.toSorted()).toEqual(['ended', 'refused']);
    await database.apply(new World(START).run([{ what: 'refuse', who: 0, which: 0, afterMs: 0 }]).events);
    const later: string[] = [];
    await exported(database, 'default', { after }, (one) => later.push(one.session_id));
    expect(later).toEqual(['again-0@pc']);
  });

  it('are of one database: another one has another lineage, and so has one that lacks what it had', async () => {
    const [one, other] = [await open(), await open()];
    const ids = [(await one.lineage()).id, (await other.lineage()).id];
    await one.renewLineage();
    ids.push((await one.lineage()).id);
    expect(new Set(ids).size).toBe(3);
  });

  it('begin again after a backup was restored: the numbers that follow were those of other rows', async () => {
    if (kind === 'postgres') return;
    const at = await url();
    const path = at.replace('sqlite://', '');
    const database = await open({ url: at });
    await database.apply(new World(START).run([{ what: 'refuse', who: 0, which: 0, afterMs: 0 }]).events);
    await backUpFile(path, `${path}.bak`);
    const before = await database.lineage();
    await restoreFile(`${path}.bak`, `${path}.restored`);
    const after = await (await open({ url: `${at}.restored` })).lineage();
    expect(after.revision).toBe(before.revision);
    expect(after.id).not.toBe(before.id);
  });
});
