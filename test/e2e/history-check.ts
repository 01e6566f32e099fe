import type { Redis } from 'ioredis';

import { HistoryDatabase, type SessionRow } from '#session-history';
import { historyKeys, shardKeys, shardNumbers, type TenantRef } from '#session-core';
import { eventually } from '#testing';

import { plainStats } from '../../libs/session-history/test/plain.fixture.js';
import { allRows } from '../../libs/session-history/test/rows.fixture.js';
import type { Account } from './history-account.js';

export const DEFAULT_TENANT: TenantRef = { name: 'default', shards: 1 };

/** Waits until history has read and acknowledged everything that is in the outbox. */
export async function caughtUp(client: Redis, tenant = DEFAULT_TENANT, timeoutMs = 60_000): Promise<void> {
  await eventually(
    async () => {
      for (const stream of streamsOf(tenant)) {
        const left = await leftIn(client, stream);
        if (left !== null) throw new Error(`${stream}: ${left}`);
      }
    },
    { timeoutMs, intervalMs: 100, what: 'history to have read everything' },
  );
}

export function streamsOf(tenant: TenantRef): string[] {
  return shardNumbers(tenant).flatMap((shard) => {
    const { events, rejections } = shardKeys(tenant, shard);
    return [events, rejections];
  });
}

/** How many entries were delivered and not acknowledged. */
export async function pendingOf(client: Redis, tenant = DEFAULT_TENANT): Promise<number> {
  const counts = streamsOf(tenant).map(async (stream) => {
    const [count] = await client.xpending(stream, historyKeys.group);
    return Number(count);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** The newest `count` entries that were delivered are delivered again. */
export async function setBack(client: Redis, stream: string, count: number): Promise<void> {
  const group = await groupOf(client, stream);
  if (!group) return;
  const newest =
    count === Infinity
      ? []
      : await client.xrevrange(stream, String(group['last-delivered-id']), '-', 'COUNT', count + 1);
  await client.xgroup('SETID', stream, historyKeys.group, newest.length > count ? (newest.at(-1)?.[0] ?? '0') : '0');
}

async function groupOf(client: Redis, stream: string): Promise<Record<string, unknown> | undefined> {
  if ((await client.exists(stream)) === 0) return undefined;
  const groups = (await client.xinfo('GROUPS', stream)) as unknown[][];
  return groups.map((group) => Object.fromEntries(pairs(group))).find(({ name }) => name === historyKeys.group);
}

async function leftIn(client: Redis, stream: string): Promise<string | null> {
  if ((await client.exists(stream)) === 0) return null;
  const group = await groupOf(client, stream);
  if (!group) return 'it has no group';
  const unread = await client.xrange(stream, `(${String(group['last-delivered-id'])}`, '+', 'COUNT', 1);
  if (unread.length > 0) return `unread from ${unread[0]?.[0]} on`;
  return group['pending'] === 0 ? null : `${String(group['pending'])} pending`;
}

const pairs = (flat: unknown[]) =>
  flat.flatMap((name, at) => (at % 2 === 0 ? [[String(name), flat[at + 1]] as const] : []));

/** Every row of history. */
export async function rowsIn(url: string, tenant = DEFAULT_TENANT): Promise<SessionRow[]> {
  const database = await HistoryDatabase.open({ url });
  try {
    return await allRows(database, tenant.name);
  } finally {
    await database.close();
  }
}

/** What is wrong with history, its sums included; empty if it is what was answered. */
export async function wrongIn(url: string, account: Account, tenant = DEFAULT_TENANT): Promise<string[]> {
  const database = await HistoryDatabase.open({ url });
  try {
    const rows = await allRows(database, tenant.name);
    const differences = account.differences(rows);
    return differences.length > 0 ? differences : await wrongStats(database, account, rows, tenant);
  } finally {
    await database.close();
  }
}

/** Of windows from all of it to nearly nothing. When the refusals were, and what live sessions carried so far, only the rows say. */
async function wrongStats(
  database: HistoryDatabase,
  account: Account,
  rows: readonly SessionRow[],
  { name: tenant }: TenantRef,
) {
  const known = new Map(
    [...account.lives.values()].map((life) => [`${life.id} ${new Date(life.startedAtMs).toISOString()}`, life]),
  );
  const expected = rows.map((row): SessionRow => {
    const life = known.get(`${row.session_id} ${row.start_time}`);
    return life ? { ...row, ...account.rowOf(life) } : row;
  });
  const starts = rows.map(({ start_time }) => Date.parse(start_time)).toSorted((a, b) => a - b);
  const wrong: string[] = [];
  for (const sinceMs of [0, 0.3, 0.7, 0.99].map((share) => starts[Math.floor(share * starts.length)] ?? 0)) {
    const { peakSessions: _, ...stats } = await database.stats(tenant, sinceMs);
    const plain = plainStats(expected, tenant, sinceMs);
    if (JSON.stringify(sorted(stats)) !== JSON.stringify(sorted(plain))) {
      wrong.push(
        `statistics since ${sinceMs}: ${JSON.stringify(sorted(stats))}, expected ${JSON.stringify(sorted(plain))}`,
      );
    }
  }
  return wrong;
}

/** With the names of all records in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
