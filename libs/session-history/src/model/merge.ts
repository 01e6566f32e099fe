import { canonicalAddress, LIMIT_SCOPES, type EndReason } from '#session-core';

import { hostAndPort } from './destination.js';
import type { LiveEvent, EndedEvent, RefusedEvent, Totals, TrafficEvent } from './event.js';
import { blankRow, isRefusal, timeText, type RowKey, type SessionRow } from './row.js';

/** An event that has a row; `levels` alone has none. */
export type RowEvent = LiveEvent | EndedEvent | TrafficEvent | RefusedEvent;

/** Of a row that only an end without its attempt has made: the first event that names one has the same session in mind. */
const UNKNOWN_ATTEMPT = -1;

const FAILED: ReadonlySet<EndReason> = new Set(['node_lost', 'node_restarted', 'reconciled', 'reservation_expired']);

export function keyOf(event: RowEvent): RowKey {
  switch (event.kind) {
    case 'live':
      return keyAt(event, event.session.id, event.startedAtMs);
    case 'refused':
      return keyAt(event, event.sessionId || event.id, event.atMs);
    default:
      return keyAt(event, event.sessionId, event.startedAtMs);
  }
}

/**
 * The row after one more event about it, whose key is `key`: the same for every order of the same events, however often each comes, so that
 * redelivery and rows that were written before change nothing.
 *
 * Each register of the row takes the newest value; totals take the largest. A session stands above a refusal of the same id in
 * the same millisecond, and a later attempt above an earlier one that it followed within the millisecond: those leave no row.
 */
export function merge(row: SessionRow | undefined, key: RowKey, event: RowEvent): SessionRow {
  if (event.kind === 'refused') return refusedRow(row, key, event);
  const of = row && !isRefusal(row) ? row : undefined;
  const attempt = event.kind === 'live' ? event.session.attempt : (event.attempt ?? of?.attempt ?? UNKNOWN_ATTEMPT);
  if (of && of.attempt > attempt) return of;
  const isKnown = of?.attempt === attempt || of?.attempt === UNKNOWN_ATTEMPT;
  const merged = of && isKnown ? { ...of, attempt } : blankRow(key, attempt);
  if (event.kind === 'live') {
    board(merged, event);
    const { user, node } = event.session;
    if (of?.attempt === UNKNOWN_ATTEMPT) setHolder(merged, { user: merged.user || user, node: merged.node || node });
    return merged;
  }
  if (merged.close_reason !== 'transferred') raiseTotals(merged, event.totals);
  if (event.kind === 'ended') end(merged, event);
  return merged;
}

/** A row as it will be once history has heard of this event too; undefined for one that it does not have. */
export function rowWith(row: SessionRow | undefined, event: RowEvent): SessionRow {
  return merge(row, keyOf(event), event);
}

// What follows writes into a row that nobody else has yet: putting a row together from pieces took a third of the processor time of a batch.

function board(row: SessionRow, { session, begins, position }: LiveEvent): void {
  const version = begins ? '' : versionOf(position);
  if (isNewer(version, row.facts_version)) {
    setDestination(row, session.destination);
    row.source_ip = addressOf(session.sourceIp);
    row.source_port = session.sourcePort;
    row.protocol = session.protocol;
    row.groups = JSON.stringify(session.groups);
    row.priority = session.priority;
    row.from_uri = session.from;
    row.to_uri = session.to;
    row.direction = session.direction;
    row.correlation_id = session.correlationId;
    row.metadata = session.metadata;
    row.epoch = session.epoch;
    row.facts_version = version;
  }
  if (!isNewer(version, row.version)) return;
  setHolder(row, session);
  row.state = session.state;
  row.status = 'active';
  row.end_time = null;
  row.duration_secs = null;
  row.close_reason = null;
  row.note = '';
  row.ended_by = null;
  row.version = version;
}

function end(row: SessionRow, event: EndedEvent): void {
  const version = versionOf(event.position);
  if (!isNewer(version, row.version)) return;
  setHolder(row, event.attempt === null ? { user: event.user || row.user, node: event.node || row.node } : event);
  row.state = 'ended';
  row.status = FAILED.has(event.reason) ? 'failed' : 'closed';
  row.end_time = timeText(event.endedAtMs);
  row.duration_secs = Math.max(0, Math.floor((event.endedAtMs - event.startedAtMs) / 1000));
  row.close_reason = event.reason;
  if (event.reason === 'transferred') row.bytes_sent = row.bytes_received = row.packets_sent = row.packets_received = 0;
  row.note = event.note;
  row.ended_by = event.by ?? null;
  row.version = version;
}

function refusedRow(known: SessionRow | undefined, key: RowKey, event: RefusedEvent): SessionRow {
  // Two refusals of one id in one millisecond are the same one, or as good as that.
  if (known && (!isRefusal(known) || known.event_id > event.id)) return known;
  const byLimit = event.limits.length > 0;
  const row = blankRow(key, 0);
  // Else a repeat, which changes nothing, would look like a change.
  row.revision = known?.revision ?? null;
  if (known && known.start_time < key.start_time) row.start_time = known.start_time;
  setDestination(row, event.destination);
  row.user = event.user;
  row.authenticated = event.user === '' ? 0 : 1;
  row.source_ip = addressOf(event.sourceIp);
  row.source_port = event.sourcePort;
  row.protocol = event.protocol;
  row.node = event.node;
  row.correlation_id = event.correlationId;
  row.status = byLimit ? 'rejected_by_limit' : 'rejected_by_acl';
  row.state = 'rejected';
  row.acl_rule_matched = byLimit ? null : event.rule;
  row.acl_decision = byLimit ? null : event.decision;
  row.refusals = Math.max(event.count, known?.event_id === event.id ? known.refusals : 0);
  row.refused_by = scopeOf(event.limits);
  row.limits = JSON.stringify(event.limits);
  row.event_id = event.id;
  return row;
}

/** A refusal by several limits has the name of the first of user, group, ip and total. */
function scopeOf(limits: RefusedEvent['limits']): string {
  const scopes = limits.map(({ scope }) => scope);
  return LIMIT_SCOPES.find((scope) => scopes.includes(scope)) ?? scopes[0] ?? 'acl';
}

function raiseTotals(row: SessionRow, totals: Totals): void {
  row.bytes_sent = Math.max(row.bytes_sent, totals.bytesSent ?? 0);
  row.bytes_received = Math.max(row.bytes_received, totals.bytesReceived ?? 0);
  row.packets_sent = Math.max(row.packets_sent, totals.packetsSent ?? 0);
  row.packets_received = Math.max(row.packets_received, totals.packetsReceived ?? 0);
}

function setHolder(row: SessionRow, { user, node }: { user: string; node: string }): void {
  row.user = user;
  row.node = node;
  row.authenticated = user === '' ? 0 : 1;
}

/** In its one form; what is no address stays as it is. */
const addressOf = (text: string): string => (text === '' ? '' : (canonicalAddress(text) ?? text));

function setDestination(row: SessionRow, destination: string): void {
  const { host, port } = hostAndPort(destination);
  row.dest_ip = host;
  row.dest_port = port;
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
