import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { startProcess } from '#testing';

import type { ErasureMode, HistoryDatabase, HistoryEvent, SessionRow } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { plainStats } from '../../test/plain.fixture.js';
import { allRows, closed } from '../../test/rows.fixture.js';
import { deliveries, happening, TENANTS, World } from '../../test/world.fixture.js';

const ERASER = fileURLToPath(new URL('eraser.fixture.mjs', import.meta.url));
const NOON = Date.UTC(2026, 10, 20, 12);
const NEVER = new AbortController().signal;
const SECRET = 'alice-of-secret-lane';

async function eraseAll(database: HistoryDatabase, user: string, mode: ErasureMode, untilMs = NOON * 2) {
  const erasure = await database.beginErasure({ tenant: 'default', user, mode, untilMs, by: 'boss' });
  if (erasure === null) return { sessions: 0, refusals: 0, id: '' };
  const erased = await database.erase(erasure, NEVER);
  await database.finishErasure(erasure);
  return { ...erased, id: erasure.id };
}

/** Admissions of a person that say all that a server may say, and refusals; every other session has ended. */
function life(user: string, count: number, startMs = NOON): HistoryEvent[] {
  const place = (n: number) => ({ tenant: 'default', atMs: startMs + n, position: `${startMs + n}-0` });
  const sessions = Array.from({ length: count }, (_, n): HistoryEvent[] => {
    const id = `${startMs}-${n}-call-of-${user}`;
    const totals = { bytesSent: 10, bytesReceived: 5 };
    const level = { scope: 'user', name: user, active: 1, peak: 1 } as const;
    return [
      {
        kind: 'live',
        ...place(n * 1_000),
        begins: true,
        startedAtMs: startMs + n * 1_000,
        levels: [level],
        session: {
          id,
          attempt: 1,
          user,
          node: 'n1',
          epoch: 1,
          state: 'active',
          groups: ['trunk:west'],
          priority: 'normal',
          from: `"A" <sip:${user}@example.com>`,
          to: `sip:mailbox-of-${user}@example.com`,
          sourceIp: '192.0.2.77',
          sourcePort: 5060,
          destination: '198.51.100.7:5060',
          protocol: 'sip',
          direction: 'inbound',
          correlationId: `corr-${user}`,
          metadata: JSON.stringify({ agent: `phone of ${user}` }),
        },
      },
      {
        kind: 'ended',
        ...place(n * 1_000 + 500),
        levels: [{ ...level, active: 0 }],
        sessionId: id,
        attempt: 1,
        startedAtMs: startMs + n * 1_000,
        totals,
        user,
        node: 'n1',
        endedAtMs: startMs + n * 1_000 + 500,
        reason: 'completed',
        note: `${user} hung up`,
      },
      {
        kind: 'refused',
        ...place(n * 1_000 + 700),
        levels: [],
        id: `refused/${startMs}/${n}/${user}`,
        sessionId: n % 2 === 0 ? '' : `again-${n}-${user}`,
        user,
        limits: [
          { scope: 'group', key: 'trunk:west', max: 1, active: 1 },
          { scope: 'user', key: user, max: 1, active: 1 },
          { scope: 'ip', key: '192.0.2.77', max: 1, active: 1 },
        ],
        count: 3,
        rule: `acl ${user}`,
        decision: '',
        sourceIp: '192.0.2.77',
        sourcePort: 5060,
        destination: '198.51.100.7:5060',
        protocol: 'sip',
        node: 'n1',
        correlationId: `of ${user}`,
      },
    ];
  });
  return sessions.flat();
}

describeDatabases('Erase a person', ({ forAll, open, url, query, kind }) => {
  const rollups = async (at: string) => closed(await query<object>(at, 'select * from rollups'));
  const isPeak = ({ entries, peak }: Record<string, unknown>) => Boolean(entries) || Boolean(peak);

  /** Holds after the random life of two tenants, of which batches come more than once and in any order. */
  const forAllWorlds = async (check: (database: HistoryDatabase, at: string) => Promise<void>) => {
    const lists = fc.array(happening(4 * 3_600_000), { minLength: 40, maxLength: 80 });
    const property = fc.asyncProperty(lists, fc.array(fc.nat(), { minLength: 50 }), async (list, choices) => {
      const { events } = new World(NOON).run(list);
      const at = await url();
      const database = await open({ url: at });
      for (const batch of deliveries(events, choices, true)) await database.apply(batch);
      await check(database, at);
    });
    await forAll({ sqlite: { short: 12, long: 50 }, postgres: { short: 4, long: 10 } }, property);
  };

  it('pseudonymised, every sum, peak and statistic is as it was, but for the name', async () => {
    await forAllWorlds(async (database, at) => {
      const before = { rows: await allRows(database, 'default'), sums: await rollups(at) };
      const stats = await database.stats('default', NOON);
      const { id, ...erased } = await eraseAll(database, 'alice', 'pseudonymise');
      const theirs = before.rows.filter(({ user }) => user === 'alice');
      expect(erased).toEqual({
        sessions: theirs.filter(({ refusals }) => refusals === 0).length,
        refusals: theirs.reduce((sum, { refusals }) => sum + refusals, 0),
      });
      const renamed = (name: unknown) => (name === 'alice' && id !== '' ? id : name);
      const wanted = before.sums.map((sum) =>
        sum['tenant'] === 'default' && sum['scope'] === 'user' ? { ...sum, name: renamed(sum['name']) } : sum,
      );
      const inOrder = (sums: object[]) => sums.map((sum) => JSON.stringify(sum)).toSorted();
      expect(inOrder((await rollups(at)).filter(isPeak))).toEqual(inOrder(wanted.filter(isPeak)));
      const rows = await allRows(database, 'default');
      expect(rows.filter(({ user }) => user === 'alice')).toEqual([]);
      expect(rows.length).toBe(before.rows.length);
      const now = await database.stats('default', NOON);
      const topUsers = stats.topUsers.map((top) => ({ ...top, user: renamed(top.user) }));
      expect(new Set(now.topUsers)).toEqual(new Set(topUsers));
      expect({ ...now, topUsers: [] }).toEqual({ ...stats, topUsers: [] });
    });
  });

  it('removed, all sums are those of the rows that are left', async () => {
    await forAllWorlds(async (database, at) => {
      const before = await allRows(database, 'default');
      const others = await allRows(database, 'acme');
      await eraseAll(database, 'alice', 'remove');
      const rows = await allRows(database, 'default');
      expect(rows).toEqual(before.filter(({ user }) => user !== 'alice'));
      expect(await allRows(database, 'acme')).toEqual(others);
      for (const tenant of TENANTS) {
        const { topUsers, ...plain } = plainStats(await allRows(database, tenant), tenant, NOON);
        expect(await database.stats(tenant, NOON)).toMatchObject(plain);
        expect(topUsers.some(({ user }) => tenant === 'default' && user === 'alice')).toBe(false);
      }
      const names = (await rollups(at)).filter(({ tenant, scope }) => tenant === 'default' && scope === 'user');
      expect(names.filter(({ name }) => name === 'alice')).toEqual([]);
    });
  });

  it('leaves nothing in a pseudonymised row that says who it was, and no two names for one person', async () => {
    const at = await url();
    const database = await open({ url: at });
    await database.apply([...life(SECRET, 3), ...life('bob', 3)]);
    const { id } = await eraseAll(database, SECRET, 'pseudonymise');
    const rows = (await allRows(database, 'default')).filter(({ user }) => user !== 'bob');
    expect(rows).toHaveLength(6);
    expect(JSON.stringify(rows)).not.toMatch(/secret|192\.0\.2\.77/);
    for (const row of rows) {
      expect(row).toMatchObject({ user: id, source_ip: '', source_port: 0, dest_ip: '198.51.100.7' });
      expect(row).toMatchObject({ from_uri: null, to_uri: null, metadata: null, correlation_id: null, note: '' });
    }
    expect(new Set(rows.map(({ session_id }) => session_id)).size).toBe(6);
    const violations = await database.violations('default', { user: id });
    expect(violations.violations.map(({ sessionId }) => sessionId === null)).toEqual([true, false, true]);
    expect(violations.violations[0]?.limits.map(({ key }) => key)).toEqual(['trunk:west', id, '']);
  });

  it('makes a name up that nobody can compute from the old one', async () => {
    const names = new Set<string>();
    for (let i = 0; i < 2; i++) {
      const database = await open();
      await database.apply(life(SECRET, 1));
      names.add((await eraseAll(database, SECRET, 'pseudonymise')).id);
      await database.apply(life(SECRET, 1, NOON + 60_000));
      names.add((await eraseAll(database, SECRET, 'pseudonymise')).id);
    }
    expect(names.size).toBe(4);
  });

  it('twice, or who is not known, is no rows', async () => {
    const database = await open();
    await database.apply(life(SECRET, 2));
    expect(await eraseAll(database, SECRET, 'remove')).toMatchObject({ sessions: 2, refusals: 6 });
    for (const user of [SECRET, 'nobody']) {
      expect(await eraseAll(database, user, 'remove')).toMatchObject({ sessions: 0, refusals: 0 });
    }
    expect(await database.unfinishedErasures()).toEqual([]);
  });

  it('what began later stays, and so do its sums', async () => {
    const database = await open();
    await database.apply([...life(SECRET, 2), ...life(SECRET, 2, NOON + 60_000)]);
    await eraseAll(database, SECRET, 'pseudonymise', NOON + 30_000);
    expect((await allRows(database, 'default', { user: SECRET })).length).toBe(4);
    expect((await database.history('default', { user: SECRET })).total).toBe(4);
  });

  it('goes on where it was stopped, under the same name, also in another process', async () => {
    const at = await url();
    const first = await open({ url: at });
    await first.apply(life(SECRET, 400));
    const asked = { tenant: 'default', user: SECRET, mode: 'pseudonymise', untilMs: NOON * 2, by: 'boss' } as const;
    const begun = (await first.beginErasure(asked))!;
    const stop = new AbortController();
    const erasing = first.erase(begun, stop.signal);
    setImmediate(() => stop.abort());
    const part = await erasing;
    expect(part.sessions + part.refusals / 3).toBeLessThan(800);
    await first.close();
    const second = await open({ url: at });
    const [left, ...none] = await second.unfinishedErasures();
    expect([left, none]).toEqual([begun, []]);
    expect((await second.beginErasure(asked))?.id).toBe(begun.id);
    const rest = await second.erase(begun, NEVER);
    await second.finishErasure(begun);
    expect([part.sessions + rest.sessions, part.refusals + rest.refusals]).toEqual([400, 1_200]);
    const users = await query<{ user: string }>(at, 'select distinct "user" from sessions');
    expect(users).toEqual([{ user: begun.id }]);
    const { topUsers } = await second.stats('default', NOON);
    expect(topUsers).toEqual([{ user: begun.id, sessions: 400, bytes: 6_000 }]);
  });

  it('survives a kill of its process in the middle', async () => {
    const at = await url();
    const database = await open({ url: at });
    await database.apply(life(SECRET, 1_500));
    await database.close();
    const eraser = await startProcess(process.execPath, [ERASER, at, SECRET], { ready: { line: /begun/ } });
    await eraser.kill();
    const again = await open({ url: at });
    const [left] = await again.unfinishedErasures();
    expect(left).toMatchObject({ user: SECRET, by: 'boss' });
    await again.erase(left!, NEVER);
    await again.finishErasure(left!);
    const { rows } = await again.history('default', { user: left!.id, pageSize: 1 });
    expect([rows.length, (await again.history('default', { user: left!.id })).total]).toEqual([1, 3_000]);
    expect((await again.history('default', { user: SECRET })).total).toBe(0);
  });

  it('lets others read and write between its pieces', async () => {
    const database = await open();
    await database.apply(life(SECRET, 3_000));
    await Promise.all([1, 2].map(async () => await database.history('default'))); // a second connection takes its time to open
    const erasure = (await database.beginErasure({
      tenant: 'default',
      user: SECRET,
      mode: 'remove',
      untilMs: NOON * 2,
      by: 'boss',
    }))!;
    const done = new AbortController();
    const erasing = database.erase(erasure, NEVER).finally(() => done.abort());
    let written = 0;
    for (; !done.signal.aborted; written += 1) {
      await database.apply(life(`other-${written}`, 1, NOON + written * 1_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await erasing;
    expect(written).toBeGreaterThan(3);
    expect((await database.history('default')).total).toBe(2 * written);
  });

  const onSqlite = kind === 'sqlite' ? it : () => {};
  onSqlite('leaves no byte of the name in the file and its log, however often rows were written anew', async () => {
    const at = await url();
    const database = await open({ url: at });
    for (let n = 0; n < 40; n++) {
      await database.apply(life(SECRET, 25, NOON + n * 600_000));
      await database.apply(life(`other-${n}`, 25, NOON + n * 600_000));
      await database.apply(life(SECRET, 25, NOON + n * 600_000));
    }
    const path = at.replace('sqlite://', '');
    const found = () =>
      [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file) && readFileSync(file).includes(SECRET));
    expect(found()).not.toEqual([]);
    for (const mode of ['pseudonymise', 'remove'] as const) {
      await eraseAll(database, SECRET, mode);
      expect([mode, found()]).toEqual([mode, []]);
      expect((await database.history('default')).total).toBe(40 * 50 * 2);
    }
    await database.close();
    expect(found()).toEqual([]);
  });

  it('is what a query of the tables themselves finds, too', async () => {
    const at = await url();
    const database = await open({ url: at });
    await database.apply([...life(SECRET, 5), ...life('bob', 5)]);
    await eraseAll(database, SECRET, 'pseudonymise');
    for (const table of ['sessions', 'rollups', 'gaps', 'erasures']) {
      expect(JSON.stringify(await query<SessionRow>(at, `select * from ${table}`))).not.toContain('secret');
    }
  });
});
