import type { EndReason } from '#session-core';

import { hostAndPort } from './destination.js';
import type { AboardEvent, EndedEvent, RefusedEvent, Totals, TrafficEvent } from './event.js';
import { blankRow, isRefusal, timeText, type SessionRow, type Status } from './row.js';

/** An event that has a row; `levels` alone has none. */
export type RowEvent = AboardEvent | EndedEvent | TrafficEvent | RefusedEvent;

const FAILED: ReadonlySet<EndReason> = new Set(['node_lost', 'node_restarted', 'reconciled', 'reservation_expired']);

export interface RowKey {
  tenant: string;
  session_id: string;
  start_time: string;
}

export function keyOf(event: RowEvent): RowKey {
  switch (event.kind) {
    case 'aboard':
      return keyAt(event, event.session.id, event.startedAtMs);
    case 'refused':
      return keyAt(event, event.sessionId || event.id, event.atMs);
    default:
      return keyAt(event, event.sessionId, event.startedAtMs);
  }
}

/**
 * The row after one more event: the same for every order of the same events, however often each comes, so that redelivery and rows
 * that were written before change nothing.
 *
 * Each register of the row takes the newest that was said; totals take the largest. A session stands above a refusal of the same id in
 * the same millisecond, and a later attempt above an earlier one that it followed within the millisecond: those leave no row.
 */
export function merge(row: SessionRow | undefined, event: RowEvent): SessionRow {
  if (event.kind === 'refused') return refusedRow(row, event);
  const attempt = event.kind === 'aboard' ? event.session.attempt : event.attempt;
  if (row && !isRefusal(row) && row.attempt > attempt) return row;
  const known = row && !isRefusal(row) && row.attempt === attempt ? row : blankRow({ ...keyOf(event), attempt });
  if (event.kind === 'aboard') return aboard(known, event);
  const total = withTotals(known, event.totals);
  return event.kind === 'ended' ? ended(total, event) : total;
}

function aboard(row: SessionRow, event: AboardEvent): SessionRow {
  const { session } = event;
  const version = event.begins ? '' : versionOf(event.position);
  const merged = { ...row };
  if (isNewer(version, row.facts_version)) {
    const { host, port } = hostAndPort(session.destination);
    Object.assign(merged, {
      source_ip: session.sourceIp,
      source_port: session.sourcePort,
      dest_ip: host,
      dest_port: port,
      protocol: session.protocol,
      groups: JSON.stringify(session.groups),
      priority: session.priority,
      from_uri: session.from,
      to_uri: session.to,
      direction: session.direction,
      correlation_id: session.correlationId,
      metadata: session.metadata,
      epoch: session.epoch,
      facts_version: version,
    } satisfies Partial<SessionRow>);
  }
  if (isNewer(version, row.version)) {
    Object.assign(merged, {
      ...holder(session),
      state: session.state,
      status: 'active',
      end_time: null,
      duration_secs: null,
      close_reason: null,
      note: '',
      version,
    } satisfies Partial<SessionRow>);
  }
  return merged;
}

function ended(row: SessionRow, event: EndedEvent): SessionRow {
  const version = versionOf(event.position);
  if (!isNewer(version, row.version)) return row;
  return {
    ...row,
    ...holder(event),
    state: 'ended',
    status: FAILED.has(event.reason) ? 'failed' : 'closed',
    end_time: timeText(event.endedAtMs),
    duration_secs: Math.max(0, Math.floor((event.endedAtMs - event.startedAtMs) / 1000)),
    close_reason: event.reason,
    note: event.note,
    version,
  };
}

function refusedRow(row: SessionRow | undefined, event: RefusedEvent): SessionRow {
  // Two refusals of one id in one millisecond are the same one, or as good as that.
  if (row && (!isRefusal(row) || row.event_id > event.id)) return row;
  const { host, port } = hostAndPort(event.destination);
  const byLimit = event.limits.length > 0;
  const status: Status = byLimit ? 'rejected_by_limit' : 'rejected_by_acl';
  const at = timeText(event.atMs);
  return {
    ...blankRow({ ...keyOf(event), attempt: 0 }),
    start_time: row && row.start_time < at ? row.start_time : at,
    user: event.user,
    authenticated: event.user === '' ? 0 : 1,
    source_ip: event.sourceIp,
    source_port: event.sourcePort,
    dest_ip: host,
    dest_port: port,
    protocol: event.protocol,
    status,
    state: 'rejected',
    acl_rule_matched: byLimit ? null : event.rule,
    acl_decision: byLimit ? null : event.decision,
    refusals: Math.max(event.count, row?.event_id === event.id ? row.refusals : 0),
    refused_by: event.limits[0]?.scope ?? 'acl',
    limits: JSON.stringify(event.limits),
    event_id: event.id,
  };
}

function withTotals(row: SessionRow, totals: Totals): SessionRow {
  return {
    ...row,
    bytes_sent: Math.max(row.bytes_sent, totals.bytesSent ?? 0),
    bytes_received: Math.max(row.bytes_received, totals.bytesReceived ?? 0),
    packets_sent: Math.max(row.packets_sent, totals.packetsSent ?? 0),
    packets_received: Math.max(row.packets_received, totals.packetsReceived ?? 0),
  };
}

function holder({ user, node }: { user: string; node: string }) {
  return { user, node, authenticated: user === '' ? 0 : 1 };
}

function keyAt({ tenant }: RowEvent, session_id: string, ms: number): RowKey {
  return { tenant, session_id, start_time: timeText(ms) };
}

/** The position as text whose order is that of the stream. An admission is older than any: its version is ''. */
export function versionOf(position: string): string {
  const [ms = '', n = ''] = position.split('-');
  return `${ms.padStart(14, '0')}-${n.padStart(10, '0')}`;
}

function isNewer(version: string, than: string | null): boolean {
  return than === null || version >= than;
}
