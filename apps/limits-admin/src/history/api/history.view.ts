import { LIMIT_SCOPES } from '#session-core';
import type { FullLimit, Gap, HistoryPage, SessionRow, Violation, ViolationPage } from '#session-history';
import { rfc3339 } from '#session-wire';

/** A row of history as JSON has it. */
export function rowView(row: SessionRow) {
  return {
    id: row.session_id,
    user: row.user,
    source_ip: row.source_ip,
    source_port: row.source_port,
    dest_ip: row.dest_ip,
    dest_port: row.dest_port,
    protocol: row.protocol,
    status: row.status,
    acl_decision: row.acl_decision,
    acl_rule: row.acl_rule_matched,
    bytes_sent: row.bytes_sent,
    bytes_received: row.bytes_received,
    packets_sent: row.packets_sent,
    packets_received: row.packets_received,
    start_time: row.start_time,
    end_time: row.end_time,
    duration_seconds: row.duration_secs,
    close_reason: row.close_reason,
    ended_by: row.ended_by,
  };
}

export function pageView({ rows, total, page, pageSize, totalPages, nextCursor }: HistoryPage) {
  return { data: rows.map(rowView), total, page, page_size: pageSize, total_pages: totalPages, nextCursor };
}

/** A member that is there only where history lacks something. */
export function gapsView(gaps: readonly Gap[]) {
  if (gaps.length === 0) return {};
  return {
    gaps: gaps.map(({ fromMs, toMs, entries }) => ({ from: rfc3339(fromMs), to: rfc3339(toMs), events: entries })),
  };
}

export function violationsView({ violations, total, page, pageSize }: ViolationPage) {
  return { violations: violations.map(violationView), total, page, limit: pageSize };
}

const fullLimitView = ({ scope, key, max, active, action = 'reject' }: FullLimit) => {
  return { scope, key, max, active, action };
};

/** The limits that a refusal's row names, from their JSON. */
export const fullLimitsView = (json: string | null) => (JSON.parse(json ?? '[]') as FullLimit[]).map(fullLimitView);

/** A refusal under the limit that names it; the others beside it where several were full. */
function violationView({ atMs, user, sessionId, count, limits }: Violation) {
  const all = limits.map(fullLimitView);
  const scope = LIMIT_SCOPES.find((candidate) => all.some((limit) => limit.scope === candidate));
  const first = all.find((limit) => limit.scope === scope) ?? all[0];
  return {
    at: rfc3339(atMs),
    username: user,
    scope: first?.scope ?? null,
    key: first?.key ?? null,
    max: first?.max ?? null,
    active: first?.active ?? null,
    action: first?.action ?? 'reject',
    call_id: sessionId,
    ...(count > 1 && { count }),
    ...(all.length > 1 && { limits: all }),
  };
}
