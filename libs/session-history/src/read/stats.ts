import { sql } from 'kysely';

import { windowSince, type Window } from '../model/buckets.js';
import type { Database, Store } from '../store/store.js';
import { mostOf } from './most.js';
import { openHours } from './open-hours.js';
import { peakSince } from './peaks.js';
import { singleRows, sumByName, tenantIs, wholeBuckets, type Sums } from './sums.js';

/** What happened to the sessions that started in a window, and who was refused in it. */
export interface Stats {
  /** Live now, whenever they started. */
  activeSessions: number;
  totalSessions: number;
  endedSessions: number;
  bytesSent: number;
  bytesReceived: number;
  /** Of those that have ended; null if none has. */
  averageDurationSecs: number | null;
  /** By the most bytes, then sessions; at most 10. */
  topUsers: { user: string; sessions: number; bytes: number }[];
  /** By the most sessions; at most 10. `dest` is `host:port`. */
  topDestinations: { dest: string; sessions: number }[];
  endedByReason: Record<string, number>;
  refusals: number;
  /** By what refused: user, group, ip, total, acl. */
  refusalsBy: Record<string, number>;
  /** Most sessions live at once since the beginning of the hour in which the window begins. */
  peakSessions: number;
}

const TOP = 10;

/** Statistics of the window from `sinceMs` on: exactly what adding up all its rows would give. */
export async function statsSince(store: Store, tenant: string, sinceMs: number): Promise<Stats> {
  const window = windowSince(sinceMs);
  return await store.read(async (db) => {
    const [total] = await named(db, tenant, 'total', window);
    const wanted = { count: TOP, entries: total?.entries ?? 0, open: await openHours(db) };
    const topUsers = await mostOf(db, store, tenant, 'user', window, wanted);
    const topDestinations = await mostOf(db, store, tenant, 'destination', window, wanted);
    return {
      activeSessions: await activeSessions(db, tenant),
      totalSessions: total?.sessions ?? 0,
      endedSessions: total?.ended ?? 0,
      bytesSent: total?.bytes_sent ?? 0,
      bytesReceived: total?.bytes_received ?? 0,
      averageDurationSecs: total && total.ended > 0 ? total.duration_secs / total.ended : null,
      topUsers: topUsers.map(({ name, sessions, bytes_sent, bytes_received }) => {
        return { user: name, sessions, bytes: bytes_sent + bytes_received };
      }),
      topDestinations: topDestinations.map(({ name, sessions }) => ({ dest: name, sessions })),
      endedByReason: counts(await named(db, tenant, 'reason', window), 'sessions'),
      refusals: total?.refusals ?? 0,
      refusalsBy: counts(await named(db, tenant, 'refusal', window), 'refusals'),
      peakSessions: await peakSince(db, tenant, { scope: 'total', name: '' }, sinceMs),
    };
  });
}

const NAMES = {
  total: { name: sql`''`, which: sql`` },
  reason: { name: sql`close_reason`, which: sql`and close_reason is not null` },
  refusal: { name: sql`refused_by`, which: sql`and refusals > 0` },
  status: { name: sql`status`, which: sql`` },
} as const;

/** The sums of a window by the names of a scope of few names. */
export async function named(db: Database, tenant: string, scope: keyof typeof NAMES, window: Window): Promise<Sums[]> {
  const { name, which } = NAMES[scope];
  return await sumByName(db, [
    wholeBuckets(tenant, scope, window, []),
    singleRows(window, name, sql`${tenantIs(tenant)} ${which}`),
  ]);
}

async function activeSessions(db: Database, tenant: string): Promise<number> {
  const { count } = await db
    .selectFrom('sessions')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('status', '=', 'active')
    .where('tenant', '=', tenant)
    .executeTakeFirstOrThrow();
  return count;
}

function counts(sums: readonly Sums[], measure: 'sessions' | 'refusals'): Record<string, number> {
  return Object.fromEntries(sums.filter((of) => of[measure] > 0).map((of) => [of.name, of[measure]]));
}
