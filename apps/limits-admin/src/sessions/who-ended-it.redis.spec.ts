import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { newKey } from '#service-kit';
import { shardKeys } from '#session-core';
import { eventually } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { get, startWithHistory } from '../history/api/history.fixture.js';
import { type Admin, Fleet } from '../limits-admin.fixture.js';

const KEY = newKey();
const AUTH = { authorization: `Bearer ${KEY.key}` };
const OPS = { id: 'ops-1', hash: KEY.hash.replace('sha256:', ''), role: 'admin', tenant: 'default' } as const;
const keys = shardKeys({ name: 'default', shards: 1 }, 0);

let admin: Admin;
let fleet: Fleet;
let log: string[];
let client: Redis;
let startAdmin: AdminSuite['start'];

forEachTest((suite) => {
  ({ client, fleet, log, start: startAdmin } = suite);
});

async function start(withKeys: boolean): Promise<void> {
  const auth = { keys: withKeys ? [{ ...OPS, nodes: null, emergency: false }] : [] };
  ({ admin } = await startWithHistory(startAdmin, 'memory:', { config: { auth } }));
}

type Row = Record<string, unknown>;

/** Each ended session by its id: what log, event, history and export say of who ended it. */
async function namedIn(count: number): Promise<Record<string, unknown[]>> {
  const endedRows = async () => {
    const { data } = (await get(admin, '/api/sessions/history', AUTH)).body as { data: (Row & { id: string })[] };
    return data.filter((row) => row['end_time'] !== null);
  };
  await eventually(async () => expect(await endedRows()).toHaveLength(count));
  const lines = log.map((line) => JSON.parse(line) as Row);
  const events = (await client.xrange(keys.events, '-', '+'))
    .map(([, flat]) => Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]]] : []))) as Row)
    .filter((event) => event['type'] === 'session.ended');
  const exported = async (format: string) =>
    (await admin.app.inject({ url: `/api/sessions/history/export?format=${format}`, headers: AUTH })).payload;
  const jsonl = (await exported('jsonl'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  const csv = (await exported('csv')).trim().split(/\r?\n/);
  const column = csv[0]!.split(',').indexOf('ended_by');
  const rows = await endedRows();
  return Object.fromEntries(
    rows.map((row) => [
      row.id,
      [
        lines.find((line) => line['message'] === 'Session killed by admin' && line['session_id'] === row.id)?.['by'],
        events.find((event) => event['sessionId'] === row.id)?.['by'],
        row['ended_by'],
        jsonl.find((one) => one['session_id'] === row.id)?.['ended_by'],
        csv.find((line) => line.startsWith(`${row.id},`))?.split(',')[column],
      ],
    ]),
  );
}

const everywhere = (by: string) => [by, by, by, by, by];

describe('a kill names its caller in log, event, history and export', () => {
  it('by each call that ends sessions', async () => {
    await start(true);
    for (const id of ['deleted', 'terminated', 'over']) await fleet.admit('alice', id);
    for (const id of ['u1', 'u2']) await fleet.admit('bob', id);
    await admin.call('DELETE', '/deleted', { reason: 'fraud' }, AUTH);
    await admin.call('POST', '/terminated/terminate', undefined, AUTH);
    await admin.call('DELETE', '/users/bob/sessions', undefined, AUTH);
    await fleet.admit('alice', 'stays');
    await admin.call('PUT', '/limits/alice', { limit: 1, on_lower: 'trim_now' }, AUTH);
    const by = await namedIn(5);
    expect(Object.keys(by)).toHaveLength(5);
    for (const one of Object.values(by)) expect(one).toEqual(everywhere('ops-1'));
  });

  it('as local, where there are no keys, as a change of limits does', async () => {
    await start(false);
    await fleet.admit('alice', 'a');
    await admin.call('DELETE', '/a');
    expect(await namedIn(1)).toEqual({ a: everywhere('local') });
  });

  it('and no end that nobody asked for names anybody', async () => {
    await start(true);
    await fleet.admit('alice', 'a');
    await fleet.store.end(fleet.tenant, { sessionId: 'a' }, { reason: 'completed', by: 'node' });
    expect(await namedIn(1)).toEqual({ a: [undefined, undefined, null, null, ''] });
  });
});
