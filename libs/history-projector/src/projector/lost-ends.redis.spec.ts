import { afterEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { createLogger } from '#service-kit';
import { Books } from '#session-core';
import { eventually } from '#testing';

import { DEFAULT_TENANT, Fleet } from '../../../session-core/test/fleet.fixture.js';
import { forEachTest, historySettings } from '../../test/projector.fixture.js';
import { History } from '../history.service.js';
import { HistoryWriter } from './history-writer.js';
import { endLost } from './lost-ends.js';

const SETTINGS = historySettings({ url: 'memory:', batchIntervalMs: 300 });
const END = { reason: 'completed', by: 'node' } as const;

let client: Redis;
let fleet: Fleet;
let app: NestFastifyApplication;
let looking: AbortController;
let log: string[];

afterEach(() => looking.abort());

forEachTest(async (suite) => {
  client = suite.client;
  fleet = new Fleet(client);
  app = await suite.start({ config: { history: SETTINGS } });
  looking = new AbortController();
  log = [];
});

const rows = async () => (await app.get(History).database.history('default', { sortDir: 'asc' })).rows;
const statuses = async () =>
  (await rows()).map(({ session_id, status, close_reason }) => [session_id, status, close_reason]);

/** Looks once and again, beside the projector of the app. */
function look(): void {
  const logger = createLogger(loadConfig({ env: {}, cwd: '/' }), 'test', { write: (line) => void log.push(line) });
  const history = app.get(History);
  const writer = new HistoryWriter({ history, ...SETTINGS, onWritten: () => {}, logger });
  const books = new Books(client, 10_000);
  const { signal } = looking;
  const tenants = [DEFAULT_TENANT];
  void endLost({ history, books, client, tenants, writer, logger, signal, firstPassMs: 0, passEveryMs: 100 });
}

describe('a session whose end was lost', () => {
  it('is over in history once the books have forgotten it', async () => {
    await fleet.admit('alice', 'lost');
    await eventually(async () => expect(await statuses()).toEqual([['lost', 'active', null]]));
    await client.flushall();
    await fleet.admit('alice', 'alive');
    look();
    await eventually(
      async () =>
        expect(await statuses()).toEqual([
          ['lost', 'failed', 'reconciled'],
          ['alive', 'active', null],
        ]),
      { timeoutMs: 20_000 },
    );
    expect((await rows())[0]).toMatchObject({ note: expect.stringMatching(/lost/), user: 'alice' });
    await eventually(() => expect(log.join('')).toMatch(/how they ended was lost/));
  });

  it('is none while its end is only on its way', async () => {
    for (let i = 0; i < 50; i += 1) await fleet.admit(`user-${i}`);
    const ids = (await client.zrange('berth:{default/0}:deadlines', '0', '-1')).toSorted();
    await eventually(async () => expect(await statuses()).toHaveLength(50));
    look();
    for (const sessionId of ids) await fleet.store.end(DEFAULT_TENANT, { sessionId }, END);
    await eventually(async () =>
      expect(new Set((await rows()).map(({ close_reason }) => close_reason))).toEqual(new Set(['completed'])),
    );
    expect(log).toEqual([]);
  });

  it('has its own reason after all where its end arrives late', async () => {
    await fleet.admit('alice', 'late');
    await eventually(async () => expect(await statuses()).toHaveLength(1));
    const [started] = await client.xrange('berth:{default/0}:events', '-', '+', 'COUNT', 1);
    await client.flushall();
    await fleet.admit('bob', 'other');
    look();
    await eventually(async () => expect(await statuses()).toContainEqual(['late', 'failed', 'reconciled']), {
      timeoutMs: 20_000,
    });
    looking.abort();
    const at = String(Date.now());
    const ended = [
      'v',
      '1',
      'id',
      'e',
      'type',
      'session.ended',
      'tenant',
      'default',
      'at',
      at,
      'sessionId',
      'late',
      'attempt',
      '1',
    ];
    const startedAt = started?.[1][started[1].indexOf('at') + 1] ?? '';
    const rest = ['user', 'alice', 'node', 'b2bua-1', 'startedAt', startedAt, 'endedAt', at, 'reason', 'killed'];
    await client.xadd('berth:{default/0}:events', '*', ...ended, ...rest);
    await eventually(async () => expect(await statuses()).toContainEqual(['late', 'closed', 'killed']));
  });
});
