import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { HistoryDatabase } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { deliveries, happening, TENANTS, World } from '../../test/world.fixture.js';
import { allRows, closed, unnumbered } from '../../test/rows.fixture.js';

const NOON = Date.UTC(2026, 10, 20, 12);

describeDatabases('applying events', ({ forAll, open, url, query }) => {
  const examples = { sqlite: { short: 15, long: 50 }, postgres: { short: 5, long: 10 } };
  const orders = fc.array(fc.nat(), { minLength: 50 });
  const everything = async (at: string) => ({
    rows: unnumbered(await query(at, 'select * from sessions order by tenant, session_id, start_time')),
    sums: closed(await query<object>(at, 'select * from rollups')),
  });

  it('ends in the rows of the model: none missing, none double, every reason right', async () => {
    await forAll(
      examples,
      fc.asyncProperty(
        fc.array(happening(), { minLength: 20, maxLength: 80 }),
        orders,
        fc.boolean(),
        async (list, choices, shuffled) => {
          const world = new World(NOON).run(list);
          const database = await open();
          for (const batch of deliveries(world.events, choices, shuffled)) await database.apply(batch);
          await expectModel(database, world);
        },
      ),
    );
  });

  it('is the same whatever the order, the repetition and the batches: rows, sums and levels', async () => {
    await forAll(
      examples,
      fc.asyncProperty(
        fc.array(happening(4 * 3_600_000), { minLength: 20, maxLength: 60 }),
        orders,
        async (list, choices) => {
          const { events } = new World(NOON).run(list);
          const [one, two] = [await url(), await url()];
          const first = await open({ url: one });
          await first.apply(events);
          const second = await open({ url: two });
          for (const batch of deliveries(events, choices, true)) await second.apply(batch);
          await second.apply(events);
          await first.close();
          await second.close();
          expect(await everything(two)).toEqual(await everything(one));
        },
      ),
    );
  });

  // So many, so far apart, that most batches find some hours closed and close others.
  const longLists = fc.array(happening(4 * 3_600_000), { minLength: 50, maxLength: 80 });

  it('has in the sums of each day, and of all time, what its hours have', async () => {
    await forAll(
      examples,
      fc.asyncProperty(longLists, orders, async (list, choices) => {
        const { events } = new World(NOON).run(list);
        const at = await url();
        const database = await open({ url: at });
        for (const batch of deliveries(events, choices, true)) await database.apply(batch);
        const sums = closed(await query<object>(at, 'select * from rollups'));
        for (const span of [24, 0]) expect(bySpan(sums, span)).toEqual(fromHours(sums, span));
      }),
    );
  });

  it('says what changed once, however often it comes', async () => {
    const { events } = new World(NOON).run([
      { what: 'admit', who: 0, which: 0, afterMs: 0 },
      { what: 'end', who: 0, which: 0, afterMs: 90_500 },
    ]);
    const database = await open();
    const [start, end] = events;
    if (!start || !end) throw new Error('The world is too small');
    expect(await database.apply([start])).toMatchObject([{ before: null, after: { status: 'active' } }]);
    const changed = {
      before: { status: 'active' },
      after: { status: 'closed', duration_secs: 90, close_reason: 'completed' },
    };
    expect(await database.apply([end])).toMatchObject([changed]);
    expect(await database.apply([start, end])).toEqual([]);
  });

  it('makes a row of an end whose start was never seen, and completes it when the start comes', async () => {
    const { events } = new World(NOON).run([
      { what: 'admit', who: 0, which: 3, afterMs: 0 },
      { what: 'end', who: 0, which: 0, afterMs: 5_000 },
    ]);
    const database = await open();
    await database.apply(events.slice(1));
    expect((await allRows(database, 'acme'))[0]).toMatchObject({
      status: 'closed',
      user: 'alice',
      source_ip: '',
      attempt: 1,
    });
    await database.apply(events);
    expect(await allRows(database, 'acme')).toMatchObject([
      { status: 'closed', source_ip: '192.0.2.1', from_uri: '"A, \'B\'" <sip:a@x>' },
    ]);
  });

  it('keeps of one id and millisecond the session, and not its refusal, in whatever order they come', async () => {
    const session = new World(NOON).run([{ what: 'admit', who: 0, which: 0, afterMs: 0 }]).events;
    const at = { tenant: 'default', atMs: NOON, position: `${NOON}-0`, levels: [] };
    const facts = { sourceIp: '', sourcePort: 0, destination: '', protocol: '', rule: '', decision: '', count: 1 };
    const limits = [{ scope: 'user', key: 'alice', max: 1, active: 1 }];
    const refusal = {
      kind: 'refused' as const,
      ...at,
      ...facts,
      node: '',
      correlationId: null,
      id: 'r',
      sessionId: 'call-1@pc',
      user: 'alice',
      limits,
    };
    for (const batches of [[[refusal], session], [session, [refusal]], [[...session, refusal]]]) {
      const database = await open();
      for (const batch of batches) await database.apply(batch);
      expect(await allRows(database, 'default')).toMatchObject([{ status: 'active', refusals: 0 }]);
      expect(await database.stats('default', NOON - 1)).toMatchObject({ totalSessions: 1, refusals: 0 });
    }
  });

  it('counts what a session has carried once when it goes on under another id, whenever its totals were read', async () => {
    const place = { tenant: 'default', atMs: NOON, levels: [], attempt: 1, startedAtMs: NOON };
    const carried = { bytesSent: 700, bytesReceived: 30, packetsSent: 7, packetsReceived: 3 };
    const admitted = new World(NOON).run([{ what: 'admit', who: 0, which: 0, afterMs: 0 }]).events;
    const read = { kind: 'traffic' as const, ...place, position: '0-0', sessionId: 'call-1@pc', totals: carried };
    const end = { kind: 'ended' as const, ...place, user: 'alice', node: 'b2bua-1', endedAtMs: NOON + 5_000, note: '' };
    const left = {
      ...end,
      position: `${NOON + 5_000}-0`,
      sessionId: 'call-1@pc',
      reason: 'transferred' as const,
      totals: {},
    };
    const over = {
      ...end,
      position: `${NOON + 9_000}-0`,
      sessionId: 'call-2',
      reason: 'completed' as const,
      totals: carried,
    };
    for (const order of [
      [read, left, over],
      [left, read, over],
      [over, left, read],
      [left, over, read, left, read],
    ]) {
      const database = await open();
      for (const event of [...admitted, ...order]) await database.apply([event]);
      expect(await database.stats('default', NOON - 1)).toMatchObject({ bytesSent: 700, bytesReceived: 30 });
    }
  });

  it('takes a batch of thousands, and names and texts of any kind', async () => {
    const world = new World(NOON).run(
      Array.from({ length: 2_500 }, (_, at) => ({ what: 'admit' as const, who: at % 8, which: at, afterMs: 1 })),
    );
    const database = await open();
    await database.apply(world.events);
    expect((await database.history('default')).total + (await database.history('acme')).total).toBe(2_500);
  });
});

async function expectModel(database: HistoryDatabase, world: World): Promise<void> {
  const rows = (await Promise.all(TENANTS.map((tenant) => allRows(database, tenant)))).flat();
  const sessions = rows.filter(({ refusals }) => refusals === 0);
  const keyed = (list: unknown[]) => list.map((one) => JSON.stringify(one)).toSorted();
  const found = sessions.map((row) => ({
    at: [row.tenant, row.session_id, Date.parse(row.start_time), row.attempt],
    who: [row.user, row.node],
    end: row.end_time && { at: Date.parse(row.end_time), reason: row.close_reason, by: row.ended_by },
    bytes: [row.bytes_sent, row.bytes_received],
    facts: [row.groups, row.source_ip, row.metadata],
  }));
  const known = [...world.sessions.values()].map(
    ({ tenant, id, startedAt, attempt, user, node, end, traffic, groups }) => ({
      at: [tenant, id, startedAt, attempt],
      who: [user, node],
      end,
      bytes: [traffic['bytesSent'] ?? 0, traffic['bytesReceived'] ?? 0],
      facts: [JSON.stringify(groups), `192.0.2.${attempt}`, '{"text":"é\\"\\n","n":1}'],
    }),
  );
  expect(keyed(found)).toEqual(keyed(known));

  const refusals = rows.filter((row) => row.refusals > 0);
  const refused = refusals.map((row) => [
    row.tenant,
    Date.parse(row.start_time),
    row.user,
    row.refusals,
    row.refused_by,
  ]);
  const expected = [...world.refusals.values()].map(({ tenant, at, user, count, by }) => [tenant, at, user, count, by]);
  expect(keyed(refused)).toEqual(keyed(expected));
}

type Sum = Record<string, unknown>;
const widened = (bucket: unknown, span: number) => (span === 24 ? String(bucket).slice(0, 10) : '');
const MEASURES = ['entries', 'sessions', 'ended', 'bytes_sent', 'bytes_received', 'duration_secs', 'refusals'];

/** By name and bucket what there is of it, without what is empty. */
function bySpan(sums: readonly Sum[], span: number): Record<string, number[]> {
  return total(
    sums.filter((sum) => sum['span'] === span),
    span,
  );
}

function fromHours(sums: readonly Sum[], span: number): Record<string, number[]> {
  const isKept = ({ scope }: Sum) => span === 24 || scope === 'user' || scope === 'destination';
  return total(
    sums.filter((sum) => sum['span'] === 1 && isKept(sum)),
    span,
  );
}

function total(sums: readonly Sum[], span: number): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  for (const sum of sums) {
    const key = JSON.stringify([sum['tenant'], sum['scope'], sum['name'], widened(sum['bucket'], span)]);
    const before = all[key];
    all[key] = MEASURES.map((name, at) => Number(sum[name]) + (before?.[at] ?? 0));
  }
  return Object.fromEntries(Object.entries(all).filter(([, measures]) => measures[0] !== 0));
}
