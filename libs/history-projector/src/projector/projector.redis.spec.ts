import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import type { HistoryConfig } from '#config';
import { Audits, historyKeys, inboxKeys, shardKeys } from '#session-core';
import { eventually } from '#testing';

import { DEFAULT_TENANT, Fleet } from '../../../session-core/test/fleet.fixture.js';
import { forEachTest, historySettings, type ProjectorSuite } from '../../test/projector.fixture.js';
import { History } from '../history.service.js';

const KEYS = shardKeys(DEFAULT_TENANT, 0);

let suite: ProjectorSuite;
let client: Redis;
let history: HistoryConfig;
let fleet: Fleet;

forEachTest((begun) => {
  suite = begun;
  client = suite.client;
  history = historySettings({ url: `sqlite://${join(suite.dir, 'history.db')}` });
  fleet = new Fleet(client);
});

const start = async (log: string[] = []) => await suite.start({ config: { history }, log });
/** Ends it as a stop does. */
const close = async (app: NestFastifyApplication) => {
  suite.running.splice(suite.running.indexOf(app), 1);
  await app.close();
};
const publish = async (event: Record<string, string>) =>
  await client.xadd(KEYS.events, '*', ...Object.entries({ v: '1', tenant: 'default', ...event }).flat());
const rowsOf = async (app: NestFastifyApplication) =>
  (await app.get(History).database.history('default', { pageSize: 1_000 })).rows;
const writers = () => suite.running.map((app) => app.get(History).writer);
const isDone = async () => {
  const groups = (await client.xinfo('GROUPS', KEYS.events).catch(() => [])) as unknown[][];
  return (
    groups.length > 0 &&
    groups.every((group) => group[group.indexOf('lag') + 1] === 0 && group[group.indexOf('pending') + 1] === 0)
  );
};

describe('the projector', () => {
  it('shows live sessions, and afterwards when and why it ended', async () => {
    const app = await start();
    await fleet.admit('alice', 'call-1');
    await eventually(async () => expect(await rowsOf(app)).toMatchObject([{ session_id: 'call-1', status: 'active' }]));
    await fleet.store.end(DEFAULT_TENANT, { sessionId: 'call-1' }, { reason: 'completed', by: 'node' });
    await eventually(async () =>
      expect(await rowsOf(app)).toMatchObject([
        { session_id: 'call-1', user: 'alice', status: 'closed', close_reason: 'completed' },
      ]),
    );
  });

  it('closes the row of a session whose record is gone, also of one without user, when the audit ends it', async () => {
    const app = await start();
    await fleet.admit('alice', 'of-alice');
    await fleet.admit('', 'of-nobody');
    await fleet.admit('alice', 'lives');
    await eventually(async () => expect(await rowsOf(app)).toHaveLength(3));
    await client.del(KEYS.session('of-alice'), KEYS.session('of-nobody'));
    const audits = new Audits({ client, deadlineMs: 5_000 });
    while ((await audits.piece(DEFAULT_TENANT, 0, { pieceMs: 1, restMs: 0 })).kind !== 'done');
    await eventually(async () => {
      const rows = (await rowsOf(app)).toSorted((a, b) => (a.session_id < b.session_id ? -1 : 1));
      expect(rows).toMatchObject([
        { session_id: 'lives', status: 'active' },
        { session_id: 'of-alice', user: 'alice', node: 'b2bua-1', status: 'failed', close_reason: 'reconciled' },
        { session_id: 'of-nobody', user: '', node: 'b2bua-1', status: 'failed', close_reason: 'reconciled' },
      ]);
    });
  });

  it('shows what live sessions have carried so far', async () => {
    await fleet.admit('alice', 'call-1');
    await fleet.store.renew(DEFAULT_TENANT, { sessionId: 'call-1' }, { bytesSent: 700, bytesReceived: 30 });
    const app = await start();
    await eventually(async () =>
      expect(await rowsOf(app)).toMatchObject([
        { user: 'alice', status: 'active', bytes_sent: 700, bytes_received: 30 },
      ]),
    );
  });

  it('acknowledges what is committed, and holds nothing back then', async () => {
    await start();
    await fleet.admitAll('alice', 5);
    await eventually(async () => expect(await isDone()).toBe(true));
  });

  it('takes what was there before it was, and what came while it was away', async () => {
    await fleet.admit('alice', 'before');
    const first = await start();
    await eventually(async () => expect(await rowsOf(first)).toHaveLength(1));
    await close(first);
    await fleet.admit('alice', 'meanwhile');
    const second = await start();
    await eventually(async () => expect(await rowsOf(second)).toHaveLength(2));
  });

  it('is one at a time, and the next one begins when it stops', async () => {
    const first = await start();
    await eventually(() => expect(writers()).toEqual(['here']));
    await start();
    await eventually(() => expect(writers()).toEqual(['here', 'elsewhere']));
    await close(first);
    await eventually(() => expect(writers()).toEqual(['here']));
    expect(first.get(History).writer).toBe('here');
  });

  it('flushes at a stop what it has read', async () => {
    history = { ...history, batchIntervalMs: 3_600_000 };
    const app = await start();
    await fleet.admit('alice', 'first');
    await eventually(async () => expect(await rowsOf(app)).toHaveLength(1));
    await fleet.admit('alice', 'waits for more');
    await eventually(async () => expect((await client.xpending(KEYS.events, historyKeys.group))[0]).toBe(1));
    await close(app);
    const next = await start();
    expect(await rowsOf(next)).toHaveLength(2);
    expect(await isDone()).toBe(true);
  });

  it('gives up an event that can never be right, and goes on', async () => {
    const app = await start();
    await publish({ id: 'x', type: 'session.ended', at: 'soon' });
    await fleet.admit('alice', 'after');
    await eventually(async () => expect(await rowsOf(app)).toHaveLength(1));
    await eventually(async () => expect(await client.xlen(inboxKeys.deadLetters('default'))).toBe(1));
    await eventually(async () => expect(await isDone()).toBe(true));
  });

  it('takes an event that comes again later for as old as it was', async () => {
    const app = await start();
    await fleet.admit('alice', 'call-1');
    await fleet.store.end(DEFAULT_TENANT, { sessionId: 'call-1' }, { reason: 'completed', by: 'node' });
    const [[position, fields] = ['', []]] = await client.xrange(KEYS.events, '-', '+', 'COUNT', 1);
    await client.xadd(KEYS.events, '*', 'arrivedAs', position, ...fields);
    await fleet.admit('alice', 'call-2');
    await eventually(async () =>
      expect((await rowsOf(app)).map(({ session_id, status }) => [session_id, status])).toEqual([
        ['call-2', 'active'],
        ['call-1', 'closed'],
      ]),
    );
  });

  it('passes over events of types that it does not know', async () => {
    await start();
    await publish({ id: randomUUID(), type: 'of.tomorrow', at: '1' });
    await eventually(async () => expect(await isDone()).toBe(true));
    expect(await client.xlen(inboxKeys.deadLetters('default'))).toBe(0);
  });

  it('sets a damaged file aside and goes on in a new one', async () => {
    const log: string[] = [];
    const app = await start(log);
    await fleet.admit('alice', 'lost');
    await eventually(async () => expect(await rowsOf(app)).toHaveLength(1));
    await close(app);
    await writeFile(
      join(suite.dir, 'history.db'),
      'no database at all, but long enough for a header of one hundred bytes '.repeat(100),
    );
    const next = await start(log);
    await fleet.admit('alice', 'found');
    await eventually(async () => expect((await rowsOf(next)).map(({ session_id }) => session_id)).toEqual(['found']));
    expect(log.join('')).toContain('set aside');
    // What it held nobody knows: that something is missing is marked.
    expect(await next.get(History).database.gaps('default')).toMatchObject([{ entries: 0 }]);
  });
});
