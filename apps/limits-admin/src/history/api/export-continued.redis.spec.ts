import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

import { describe, expect, it } from '@jest/globals';

import { historyEvent, type HistoryDatabase, type HistoryEvent } from '#session-history';
import { eventually, readCsv } from '#testing';

import { forEachTest, type AdminSuite } from '../../admin-suite.fixture.js';
import { DEFAULT_TENANT, Fleet, type Admin } from '../../limits-admin.fixture.js';
import { admitted, ended, fill, refused, SETTINGS, startWithHistory } from './history.fixture.js';

let admin: Admin;
let database: HistoryDatabase;
let url: string;

const suite = forEachTest();

async function listen(options?: Parameters<AdminSuite['start']>[0]): Promise<void> {
  ({ admin, database } = await startWithHistory(suite.start, 'memory:', options));
  await admin.app.listen(0, '127.0.0.1');
  url = `${await admin.app.getUrl()}/api/sessions/history/export`;
}

async function begin(query: string): Promise<IncomingMessage> {
  const asked = request(`${url}?${query}`, { agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer;
}

interface Line {
  session_id: string;
  status: string;
  revision: number;
  export?: { rows: number; cursor: string; completeUntil: string | null; gaps?: unknown[] };
}

/** A whole export as JSON Lines: its rows, and its last line. */
async function lines(cursor: string, filter = '') {
  const answer = await begin(`format=jsonl&cursor=${cursor}${filter}`);
  const text = (await buffer(answer)).toString();
  const read = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  const { export: summary } = read.pop() ?? {};
  return { answer, ids: read.map((row) => row.session_id), rows: read, summary: summary! };
}

const gap = (fromMs: number, toMs: number): HistoryEvent => {
  const times = { at: String(toMs), from: String(fromMs), to: String(toMs) };
  const fields = { v: '1', id: `gap/${fromMs}`, type: 'events.lost', tenant: 'default', entries: '3', ...times };
  return historyEvent({ position: `${toMs}-0`, shard: 0, fields })!;
};

describe('an export', () => {
  it.each(['format=csv', 'format=jsonl', 'format=csv&cursor=begin', 'format=jsonl&cursor=begin', 'user=nobody'])(
    '%s has the digest of its bytes in a trailer that it announces',
    async (query) => {
      await listen();
      const users = ['ü漢😀', 'alice', 'two\nlines'];
      await fill(
        database,
        Array.from({ length: 900 }, (_, i) => ({
          id: `s${i}`,
          user: users[i % 3]!,
          startedAtMs: suite.nowMs - i * 1_000 - 1,
        })),
      );
      const answer = await begin(query);
      const announced = String(answer.headers['trailer']).split(', ');
      const sha256 = createHash('sha256')
        .update(await buffer(answer))
        .digest('base64');
      expect(answer.trailers['content-digest']).toBe(`sha-256=:${sha256}:`);
      expect(Object.keys(answer.trailers)).toEqual(announced.map((name) => name.toLowerCase()));
      expect(announced).toEqual(expect.arrayContaining(['Berth-Rows', 'Content-Digest']));
      expect(answer.trailers['berth-rows']).toBe(query === 'user=nobody' ? '0' : '900');
    },
  );

  it('goes on where the one before ended: what is over, each once, while others come in', async () => {
    await listen();
    const session = (id: string, agoMs: number) => ({ id, startedAtMs: suite.nowMs - agoMs });
    await database.apply([admitted(session('a', 9_000)), admitted(session('b', 8_000)), ended(session('b', 8_000), 1)]);
    const first = await lines('begin');
    expect(first.ids).toEqual(['b']);
    expect(first.answer.trailers['berth-cursor']).toBe(first.summary.cursor);
    expect(first.summary).toMatchObject({ rows: 1 });
    // The one that began first ends last; an older one comes late.
    await database.apply([
      ended(session('a', 9_000), 5),
      admitted(session('old', 50_000)),
      ended(session('old', 50_000), 1),
      refused({ sessionId: 'r', atMs: suite.nowMs, limits: [{ scope: 'user', key: 'alice', max: 1, active: 1 }] }),
    ]);
    const second = await lines(first.summary.cursor);
    expect(second.ids.toSorted()).toEqual(['a', 'old', 'r']);
    expect((await lines(second.summary.cursor)).ids).toEqual([]);
    expect((await lines('begin')).ids).toHaveLength(4);
    expect((await lines('begin', '&status=closed')).ids.toSorted()).toEqual(['a', 'b', 'old']);
    expect((await lines(first.summary.cursor, '&session_id=old&node=b2bua-1')).ids).toEqual(['old']);
  });

  it('that broke off is continued behind the last whole line that came', async () => {
    await listen();
    const metadata = { text: 'x'.repeat(8_000) };
    const many = Array.from({ length: 4_000 }, (_, i) => ({
      id: `s${i}`,
      startedAtMs: suite.nowMs - 9_000_000 + i,
      metadata,
    }));
    await fill(database, many);
    const broken = await begin('format=jsonl&cursor=begin');
    let text = '';
    for await (const chunk of broken) {
      text += String(chunk);
      if (text.length > 2_000_000) break; // the connection goes with it
    }
    expect(broken.trailers).toEqual({});
    const got = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
    expect(got.length).toBeGreaterThan(100);
    await fill(database, [{ id: 'late', startedAtMs: suite.nowMs - 10_000_000 }]);
    const rest = await lines(`${String(broken.headers['berth-lineage'])}.${got.at(-1)!.revision}`);
    expect([...got.map((row) => row.session_id), ...rest.ids].toSorted()).toEqual(
      [...many.map(({ id }) => id), 'late'].toSorted(),
    );
  }, 60_000);

  it('says until when it is complete: what was written down before that is in it', async () => {
    // The first batch of events is written at once, the next one not in this test.
    await listen({ config: { history: { ...SETTINGS, batchIntervalMs: 3_600_000 } } });
    const fleet = new Fleet(suite.client);
    const end = async (sessionId: string) =>
      await fleet.store.end(DEFAULT_TENANT, { sessionId }, { attempt: 1, reason: 'completed', by: 'node' });
    await fleet.admit('alice', 'seen');
    await eventually(async () => expect((await database.history('default')).total).toBe(1));
    const streams = 'berth:{default/0}:events';
    const idle = await eventually(async () => {
      expect(await suite.client.xpending(streams, 'history')).toMatchObject([0, null, null, null]);
      return await lines('begin');
    });
    expect(Date.parse(idle.summary.completeUntil!)).toBeGreaterThanOrEqual(suite.nowMs);
    expect(idle.answer.headers['berth-complete-until']).toBe(idle.summary.completeUntil);
    await end('seen');
    const [last] = await suite.client.xrevrange(streams, '+', '-', 'COUNT', 1);
    const id = last?.[0] ?? '';
    const behind = await lines('begin');
    expect(behind.ids).toEqual([]);
    expect(Date.parse(behind.summary.completeUntil!)).toBeLessThanOrEqual(Number(id.split('-')[0]));
  });

  it('marks the times of which history lacks events, in both formats', async () => {
    await listen();
    const [from, to] = [suite.nowMs - 7_200_000, suite.nowMs - 3_600_000];
    await database.apply([gap(from, to), admitted({ id: 'a', startedAtMs: suite.nowMs })]);
    const times = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    const header = `"${times.from}/${times.to}";events=3`;
    for (const query of ['', 'format=jsonl', 'cursor=begin']) {
      const answer = await begin(query);
      await buffer(answer);
      expect([query, answer.headers['berth-gaps']]).toEqual([query, header]);
    }
    expect((await lines('begin')).summary.gaps).toEqual([{ ...times, events: 3 }]);
  });

  it('as CSV has the revision of each row, and its cursor behind it', async () => {
    await listen();
    await fill(database, [{ id: 'a', startedAtMs: suite.nowMs - 90_000 }]);
    const answer = await begin('cursor=begin');
    const [names = [], ...rows] = readCsv((await buffer(answer)).toString());
    expect(rows.map((row) => row[names.indexOf('session_id')])).toEqual(['a']);
    const revision = rows[0]![names.indexOf('revision')];
    expect(answer.trailers['berth-cursor']).toBe(`${String(answer.headers['berth-lineage'])}.${revision}`);
  });

  it.each([
    ['x', 'must be begin, or the Berth-Cursor of an earlier export'],
    ['12', 'must be begin, or the Berth-Cursor of an earlier export'],
    ['AAAAAAAAAAAA.1', expect.stringMatching('^is of another history database')],
    ['LINEAGE.999', expect.stringMatching('^is of another history database')],
  ])('is not continued by the cursor %s', async (cursor, message) => {
    await listen();
    const { id } = await database.lineage();
    const reply = await admin.call('GET', `/history/export?cursor=${cursor.replace('LINEAGE', id)}`);
    expect(reply).toMatchObject({ status: 400, body: { errors: [{ path: 'cursor', message }] } });
  });
});
