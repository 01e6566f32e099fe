import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';

import type { TenantRef } from '#session-core';
import { HistoryUnavailableError, type Extent, type GapEvent, type HistoryDatabase } from '#session-history';

/** What a database of history was last known to hold, by tenant, and what it noted that it lacks; `rows` null where nobody can say any more. */
export type Holdings = ReadonlyMap<string, Omit<Extent, 'rows'> & { rows: number | null }>;

export async function holdingsOf(database: HistoryDatabase, tenants: readonly TenantRef[]): Promise<Holdings> {
  const holdings = new Map<string, Extent>();
  for (const { name } of tenants) holdings.set(name, await database.extent(name));
  return holdings;
}

/** As `holdingsOf`; what was known before where the database does not say any more. */
export async function lastHoldings(
  database: HistoryDatabase,
  tenants: readonly TenantRef[],
  known: Holdings,
): Promise<Holdings> {
  try {
    return await holdingsOf(database, tenants);
  } catch (error) {
    if (error instanceof HistoryUnavailableError) return known;
    throw error;
  }
}

/** What was in a file that nobody can read: something, since there was a file. */
export async function unknownHoldings(path: string, tenants: readonly TenantRef[]): Promise<Holdings> {
  const oldestMs = Math.floor((await stat(path)).birthtimeMs);
  return new Map(tenants.map(({ name }) => [name, { tenant: name, rows: null, oldestMs, newestMs: null, gaps: [] }]));
}

/**
 * What a database lacks that stands in the place of another one: of each tenant of which it holds less, the time from its newest row, or without rows from the
 * oldest row of the other one, until now; and the gaps that the other one knew of.
 */
export function missingIn(now: Holdings, before: Holdings, tenants: readonly TenantRef[], nowMs: number): GapEvent[] {
  const id = `replaced/${randomUUID()}`;
  return tenants.flatMap(({ name, shards }): GapEvent[] => {
    const [held, had] = [now.get(name), before.get(name)];
    if (had === undefined) return [];
    const gap = { kind: 'gap', tenant: name, atMs: nowMs, position: `${nowMs}-0`, levels: [] } as const;
    const known = had.gaps
      .filter(({ fromMs, toMs }) => !held?.gaps.some((same) => same.fromMs <= fromMs && same.toMs >= toMs))
      .map((lost) => ({ ...gap, ...lost, id: `kept/${lost.fromMs}/${lost.toMs}`, shard: 0 }));
    const rows = held?.rows ?? 0;
    if (had.rows !== null && had.rows <= rows) return known;
    const fromMs = Math.min(held?.newestMs ?? had.oldestMs ?? nowMs, nowMs);
    const missing = had.rows === null ? 0 : had.rows - rows;
    const lacking = Array.from({ length: shards }, (_, shard) => ({
      ...gap,
      id,
      shard,
      fromMs,
      toMs: nowMs,
      // What is missing is counted for the tenant: once, not for each shard.
      entries: shard === 0 ? missing : 0,
    }));
    return [...known, ...lacking];
  });
}
