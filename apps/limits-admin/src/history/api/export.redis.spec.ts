import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { beforeEach, describe, expect, it, jest } from '@jest/globals';

import { type HistoryDatabase } from '#session-history';
import { eventually, readCsv } from '#testing';

import { forEachTest } from '../../admin-suite.fixture.js';
import type { Admin } from '../../limits-admin.fixture.js';
import { admitted, fill, startWithHistory, type Recorded } from './history.fixture.js';

const HOSTILE = [
  '=cmd|/C calc!A0',
  '+1',
  '-1',
  '@x',
  'o"brien, jr',
  "'quoted'",
  'two\nlines',
  'a\r\nb',
  '\ttab',
  ' ',
  'ü漢😀',
];

let admin: Admin;
let database: HistoryDatabase;
let url: string;

const suite = forEachTest();

async function startIn(kind: string): Promise<void> {
  const at = kind === 'sqlite' ? `sqlite://${join(suite.dir, 'history.db')}` : 'memory:';
  ({ admin, database } = await startWithHistory(suite.start, at));
  await admin.app.listen(0, '127.0.0.1');
  url = `${await admin.app.getUrl()}/api/sessions/history/export`;
}

/** The answer as it begins to come; nothing of its body is read yet. */
async function begin(query: string, method = 'GET'): Promise<IncomingMessage> {
  const asked = request(`${url}${query}`, { method, agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer;
}

/** How far the database was read for exports, and whether they have stopped. */
function watched() {
  const reading = { rows: 0, begun: 0, stopped: 0 };
  const read = database.export.bind(database);
  jest.spyOn(database, 'export').mockImplementation(async function* (...asked) {
    reading.begun += 1;
    try {
      for await (const chunk of read(...asked)) {
        reading.rows += chunk.rows;
        yield chunk;
      }
    } finally {
      reading.stopped += 1;
    }
  });
  return reading;
}

/** Until nothing more is read. */
async function still(reading: { rows: number }): Promise<void> {
  let before = 0;
  await eventually(() => {
    const rows = before;
    before = reading.rows;
    expect(rows).toBeGreaterThan(0);
    expect(reading.rows).toBe(rows);
  });
}

const sessions = (count: number, more: Partial<Recorded> = {}): Recorded[] =>
  Array.from({ length: count }, (_, i) => ({ id: `s${i}`, startedAtMs: suite.nowMs - 1_000 * (count - i), ...more }));

describe.each(['memory', 'sqlite'])('an export from %s', (kind) => {
  beforeEach(async () => {
    await startIn(kind);
  });

  it('has 50,000 rows, each once and equal to what was written, and their number in the trailer', async () => {
    const recorded = sessions(50_000);
    await fill(database, recorded);
    const expected = recorded.map(({ id, startedAtMs }) => [id, new Date(startedAtMs).toISOString()]);
    const csv = await begin('');
    const [names = [], ...lines] = readCsv(await text(csv));
    const [id, at] = [names.indexOf('session_id'), names.indexOf('start_time')];
    expect(lines.map((line) => [line[id], line[at]])).toEqual(expected);
    expect(csv.trailers).toMatchObject({ 'berth-rows': '50000' });
    const json = await begin('?format=jsonl');
    const rows = (await text(json)).split('\n').slice(0, -1);
    const read = rows.map((row) => JSON.parse(row) as Record<string, unknown>);
    expect(read.map((row) => [row['session_id'], row['start_time']])).toEqual(expected);
    expect(read[0]).toMatchObject({ user: 'alice', duration_secs: 60, source_port: 5060, groups: [], metadata: null });
    expect(json.trailers).toMatchObject({ 'berth-rows': '50000' });
  }, 120_000);

  it('has hostile names unchanged on reading back, and no formula for a spreadsheet', async () => {
    const recorded = HOSTILE.map((user, i) => ({ id: `${user}/${i}`, user, startedAtMs: suite.nowMs + i }));
    await database.apply(recorded.map(admitted));
    const csv = await text(await begin('?format=csv'));
    expect(csv).not.toMatch(/(^|,)"?[=+@\t]/m);
    const [names = [], ...lines] = readCsv(csv);
    const columns = [names.indexOf('session_id'), names.indexOf('user')];
    expect(lines.map((line) => columns.map((at) => line[at]))).toEqual(recorded.map(({ id, user }) => [id, user]));
    const json = (await text(await begin('?format=jsonl'))).split('\n').slice(0, -1);
    expect(json.map((row) => (JSON.parse(row) as Recorded).user)).toEqual(HOSTILE);
  });

  it('takes the filters of history, says what it is, and is a file', async () => {
    await fill(database, [{ id: 'b', user: 'bob', startedAtMs: suite.nowMs }, ...sessions(3)]);
    await database.apply([admitted({ id: 'live', startedAtMs: suite.nowMs })]);
    const csv = await begin('?username=ALICE&status=closed&timeRange=1h&format=');
    expect(csv.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': expect.stringMatching(/^attachment; filename="berth-history-default-\d{8}T\d{6}Z\.csv"$/),
      trailer: 'Berth-Rows, Content-Digest',
      'transfer-encoding': 'chunked',
    });
    const [, ...lines] = readCsv(await text(csv));
    expect(lines.map(([id]) => id)).toEqual(['s0', 's1', 's2']);
    const none = await begin('?user=nobody&format=jsonl');
    expect(none.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    expect(none.headers['content-disposition']).toMatch(/\.jsonl"$/);
    expect(await text(none)).toBe('');
    expect(none.trailers).toMatchObject({ 'berth-rows': '0' });
    const head = await begin('?user=nobody');
    expect(readCsv(await text(head))).toHaveLength(1);
  });
});

describe('a reader', () => {
  const BIG = { metadata: { text: 'x'.repeat(8_000) } };
  const ROWS = 10_000;

  beforeEach(async () => {
    await startIn('sqlite');
    await fill(database, sessions(ROWS, BIG));
  }, 120_000);

  it('that is slow is waited for, and nothing is read far ahead of it', async () => {
    const reading = watched();
    const slow = await begin('?format=jsonl');
    await still(reading);
    // What the buffers of both sockets take, and a few pieces of 500.
    expect(reading.rows).toBeLessThan(ROWS / 2);
    expect((await text(slow)).match(/\n/g)).toHaveLength(ROWS);
    expect(slow.trailers).toMatchObject({ 'berth-rows': String(ROWS) });
  }, 120_000);

  it('that goes away stops the reading', async () => {
    const reading = watched();
    const gone = await begin('?format=jsonl');
    await still(reading);
    gone.destroy();
    await eventually(() => expect(reading.stopped).toBe(1));
    expect(reading.rows).toBeLessThan(ROWS / 2);
  }, 120_000);

  it('that asks for the head alone has little read for it', async () => {
    const reading = watched();
    const head = await begin('?format=jsonl', 'HEAD');
    expect([head.statusCode, await text(head)]).toEqual([200, '']);
    expect(reading.rows).toBeLessThan(ROWS / 2);
  }, 120_000);

  it('sees a broken connection, and no trailer, where the database fails on the way', async () => {
    const reading = watched();
    const broken = await begin('?format=jsonl');
    await still(reading);
    await database.close();
    await expect(text(broken)).rejects.toThrow('aborted');
    expect([broken.complete, broken.trailers]).toEqual([false, {}]);
    const line = suite.log.map((entry) => JSON.parse(entry) as Record<string, unknown>);
    expect(line).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'An export of history broke off', rows: reading.rows }),
    );
  }, 120_000);

  it('is a problem where the database fails before the first row', async () => {
    await database.close();
    const failed = await begin('?format=csv');
    expect(failed.headers['content-type']).toMatch('application/problem+json');
    expect([failed.statusCode, failed.headers['content-disposition']]).toEqual([503, undefined]);
    expect(JSON.parse(await text(failed))).toMatchObject({ code: 'history-unavailable' });
  });
});

describe('a client that leaves an export', () => {
  const MOMENTS_MS = [0, 1, 2, 4, 8, 16, 32, 64];
  const QUERIES = ['?format=jsonl', '', '?user=nobody'];

  beforeEach(async () => {
    await startIn('sqlite');
    await fill(database, sessions(2_000, { metadata: { text: 'x'.repeat(4_000) } }));
    suite.log.length = 0;
  }, 120_000);

  async function dial() {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  const ask = (query: string, method = 'GET') =>
    `${method} /api/sessions/history/export${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

  const connections = () =>
    new Promise<number>((resolve) => {
      admin.app.getHttpServer().getConnections((_error, count) => resolve(count));
    });

  /** Every reading has stopped, no connection is left, the log has no more than what is always there, and the next export is whole. */
  async function nothingLeft(reading: { begun: number; stopped: number }) {
    await eventually(async () => {
      expect(reading.stopped).toBe(reading.begun);
      expect(await connections()).toBe(0);
    });
    const lines = suite.log.map((entry) => JSON.parse(entry) as { level: string });
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
    const whole = await begin('?format=jsonl');
    expect((await text(whole)).match(/\n/g)).toHaveLength(2_000);
  }

  it.each(['resetAndDestroy', 'destroy', 'end'] as const)(
    'by %s, at any moment, is no error in the log and leaves nothing open',
    async (how) => {
      const reading = watched();
      for (const query of QUERIES) {
        for (const method of ['GET', 'HEAD']) {
          for (const afterMs of MOMENTS_MS) {
            const socket = await dial();
            socket.write(ask(query, method));
            await delay(afterMs);
            socket[how]();
            if (how === 'end') socket.resume();
          }
        }
      }
      await nothingLeft(reading);
    },
    120_000,
  );

  it('while another answer of its connection is still before it, leaves nothing open either', async () => {
    const reading = watched();
    const socket = await dial();
    socket.write(ask('?format=jsonl').repeat(3));
    socket.pause();
    await eventually(() => expect(reading.begun).toBe(3));
    await still(reading);
    socket.resetAndDestroy();
    await nothingLeft(reading);
  }, 120_000);
});

it('a client that leaves any other answer is no error in the log', async () => {
  await startIn('sqlite');
  await fill(database, sessions(2_000));
  suite.log.length = 0;
  const paths = ['/api/sessions/history?limit=1000', '/api/sessions/active', '/api/sessions/users', '/metrics'];
  const port = Number(new URL(url).port);
  for (const path of paths) {
    for (const afterMs of [0, 1, 2, 4, 8, 16]) {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await delay(afterMs);
      socket.resetAndDestroy();
    }
  }
  const upload = connect(port, '127.0.0.1').on('error', () => {});
  await once(upload, 'connect');
  upload.write('PUT /api/sessions/limits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{');
  await delay(20);
  upload.resetAndDestroy();
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        admin.app.getHttpServer().getConnections((_error, count) => resolve(count === 0));
      }),
  );
  const lines = suite.log.map((entry) => JSON.parse(entry) as { level: string });
  expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
}, 120_000);
