import { DAY_MS } from '#basics';
import type { HistoryConfig } from '#config';
import { History } from '#history-projector';
import { HistoryDatabase, historyEvent, type HistoryEvent } from '#session-history';

import type { AdminSuite } from '../../admin-suite.fixture.js';
import type { Admin } from '../../limits-admin.fixture.js';

export const SETTINGS: HistoryConfig = {
  url: 'memory:',
  batchSize: 100,
  batchIntervalMs: 20,
  retentionMs: 90 * DAY_MS,
  cleanupIntervalMs: DAY_MS,
  statsWindowHours: 24,
  erase: 'pseudonymise',
};

/** The app with history at this URL, and its database. */
export async function startWithHistory(
  start: AdminSuite['start'],
  url = 'memory:',
  { config, ...options }: Parameters<AdminSuite['start']>[0] = {},
) {
  const admin = await start({ ...options, config: { history: { ...SETTINGS, url }, ...config } });
  return { admin, database: admin.app.get(History).database };
}

/** A session as a test says it; what it leaves out is nothing special. */
export interface Recorded {
  id: string;
  user?: string;
  tenant?: string;
  /** Part of its name in history, so that its end finds it. */
  startedAtMs: number;
  /** Right after its admission. */
  active?: { total?: number; user?: number; groups?: Record<string, number> };
  destination?: string | null;
  node?: string;
  sourceIp?: string;
  correlationId?: string;
  groups?: string[];
  metadata?: Record<string, unknown>;
}

let position = 0;

function event(type: string, tenant: string, atMs: number, fields: Record<string, string | number>): HistoryEvent {
  position += 1;
  const all = { v: 1, id: `e${position}`, type, tenant, at: atMs, ...fields };
  const written = Object.entries(all).map(([name, value]) => [name, String(value)]);
  const read = historyEvent({ position: `${atMs}-${position}`, shard: 0, fields: Object.fromEntries(written) });
  if (read === null) throw new Error(`${type} is nothing to history`);
  return read;
}

export function admitted(one: Recorded): HistoryEvent {
  const { id, user = 'alice', tenant = 'default', startedAtMs, active = {}, metadata = null } = one;
  const { destination = '198.51.100.7:5060', node = 'b2bua-1', sourceIp = '192.0.2.10', correlationId = null } = one;
  const session = {
    id,
    attempt: 1,
    user: user === '' ? null : user,
    node,
    epoch: 1,
    state: 'active',
    groups: one.groups ?? Object.keys(active.groups ?? {}),
    priority: 'normal',
    sourceIp,
    sourcePort: 5060,
    destination,
    protocol: 'sip',
    correlationId,
    metadata,
  };
  return event('session.admitted', tenant, startedAtMs, {
    session: JSON.stringify(session),
    ...(active.total !== undefined && { totalActive: active.total }),
    ...(active.user !== undefined && { userActive: active.user }),
    ...(active.groups !== undefined && { groupsActive: JSON.stringify(active.groups) }),
  });
}

/** Its end, so many seconds after its start. */
export function ended(one: Recorded, lastedSecs: number, reason = 'completed', totals: Record<string, number> = {}) {
  const { id, user = 'alice', tenant = 'default', node = 'b2bua-1', startedAtMs: startedAt } = one;
  const endedAt = startedAt + 1_000 * lastedSecs;
  const fields = { sessionId: id, attempt: 1, user, node, startedAt, endedAt, reason, note: '', ...totals };
  return event('session.ended', tenant, endedAt, fields);
}

export interface Refused {
  atMs?: number;
  sessionId?: string;
  user?: string;
  tenant?: string;
  limits?: { scope: string; key: string; max: number; active: number }[];
  count?: number;
  rule?: string;
  node?: string;
  sourceIp?: string;
  correlationId?: string;
}

export function refused({
  atMs = Date.now(),
  sessionId = '',
  user = 'alice',
  tenant = 'default',
  limits = [],
  count = 1,
  rule,
  ...facts
}: Refused): HistoryEvent {
  return event('session.rejected', tenant, atMs, {
    sessionId,
    user,
    limits: JSON.stringify(limits),
    count,
    ...facts,
    ...(rule !== undefined && { rule, decision: 'block' }),
  });
}

/** Calls a path outside of `/api/sessions`. */
export async function get(admin: Admin, url: string, headers: Record<string, string> = {}) {
  const reply = await admin.app.inject({ method: 'GET', url, headers });
  return { status: reply.statusCode, body: reply.json<Record<string, unknown>>() };
}

/** Many sessions at once, a second apart and all ended. */
export async function fill(database: HistoryDatabase, all: readonly Recorded[]): Promise<void> {
  for (let from = 0; from < all.length; from += 2_000) {
    const some = all.slice(from, from + 2_000);
    await database.apply(some.flatMap((one) => [admitted(one), ended(one, 60)]));
  }
}
