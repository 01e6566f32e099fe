import type { SessionRow } from '#session-history';
import { rfc3339, sessionView, unreadableView } from '#session-wire';

import { fullLimitsView, gapsView, rowView } from '../history/api/history.view.js';
import type { SessionAttempts } from './session-attempts.service.js';

/** `kept`: whether history is kept. */
export function attemptsView(id: string, found: SessionAttempts, kept: boolean) {
  return {
    id,
    live: [...found.live.map(sessionView), ...found.unreadable.map(unreadableView)],
    ended: found.ended.map(attemptView),
    refusals: found.refusals.map(refusalView),
    history: kept ? ('kept' as const) : ('off' as const),
    total: found.rows,
    ...gapsView(found.gaps),
  };
}

function attemptView(row: SessionRow) {
  return {
    ...rowView(row),
    attempt: row.attempt,
    node: row.node,
    epoch: row.epoch,
    groups: JSON.parse(row.groups) as string[],
    priority: row.priority,
    from_uri: row.from_uri,
    to_uri: row.to_uri,
    direction: row.direction,
    correlation_id: row.correlation_id,
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
    note: row.note,
  };
}

function refusalView(row: SessionRow) {
  return {
    at: rfc3339(Date.parse(row.start_time)),
    user: row.user,
    status: row.status,
    node: row.node,
    source_ip: row.source_ip,
    source_port: row.source_port,
    dest_ip: row.dest_ip,
    dest_port: row.dest_port,
    protocol: row.protocol,
    correlation_id: row.correlation_id,
    acl_decision: row.acl_decision,
    acl_rule: row.acl_rule_matched,
    limits: fullLimitsView(row.limits),
    count: row.refusals,
  };
}
