import { sql } from 'kysely';

import { hourMs, hourOf, windowSince } from '../model/buckets.js';
import type { Store } from '../store/store.js';
import { singleRows, sumByName, tenantIs } from './sums.js';

/** The sessions that started within an hour, and what they sent until now. */
export interface HourTraffic {
  atMs: number;
  sessions: number;
  bytesSent: number;
  bytesReceived: number;
  refusals: number;
}

/** Hours in which anything started, oldest first, of the tenant or of one user. The first holds what began at `sinceMs` or later. */
export async function hourlyTraffic(
  store: Store,
  tenant: string,
  { sinceMs, user }: { sinceMs: number; user?: string | undefined },
): Promise<HourTraffic[]> {
  const window = windowSince(sinceMs);
  return await store.read(async (db) => {
    const which = user === undefined ? tenantIs(tenant) : sql`sessions.tenant = ${tenant} and "user" = ${user}`;
    const hours = await db
      .selectFrom('rollups')
      .select(['bucket as name', 'sessions', 'bytes_sent', 'bytes_received', 'refusals'])
      .where('tenant', '=', tenant)
      .where('scope', '=', user === undefined ? 'total' : 'user')
      .where('name', '=', user ?? '')
      .where('span', '=', 1)
      .where('bucket', '>=', window.firstHour)
      .where('entries', '>', 0)
      .orderBy('bucket')
      .execute();
    const first = await sumByName(db, [singleRows(window, sql`${hourOf(window.since)}`, which)]);
    return [...first, ...hours].map(({ name, sessions, bytes_sent, bytes_received, refusals }) => {
      return { atMs: hourMs(name), sessions, bytesSent: bytes_sent, bytesReceived: bytes_received, refusals };
    });
  });
}
