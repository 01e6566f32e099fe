import {
  exportQuery,
  historyQuery,
  peaksQuery,
  statsQuery,
  trafficQuery,
  userHistoryQuery,
  violationsQuery,
} from '../history/api/history.schema.js';
import type { Route } from './route.js';

const history = {
  tag: 'history',
  method: 'get',
  for: 'sessions.read',
  problems: ['invalid-request', 'not-found', 'history-unavailable'],
} as const satisfies Partial<Route>;

const PAGE =
  '{data: [{id, user, source_ip, source_port, dest_ip, dest_port, protocol, status, acl_decision, acl_rule, bytes_sent, bytes_received, packets_sent, packets_received, start_time, end_time, duration_seconds, close_reason, ended_by}], total, page, page_size, total_pages, nextCursor, gaps?}';

/** Who was aboard, who was refused, and what that adds up to. */
export const HISTORY_ROUTES: Route[] = [
  {
    ...history,
    path: '/api/sessions/stats',
    for: 'fleet.read',
    summary: 'What started within a window, and what is live now',
    answer:
      '{window_hours, active_sessions, total_sessions, total_bytes_sent, total_bytes_received, top_users: [{user, sessions, bytes}], top_destinations: [{dest, sessions}], peakConcurrentSessions, averageDuration, limitViolations, authenticated_sessions, idle_sessions, unique_users, idle_sessions_at_least?, gaps?: [{from, to, events}]}',
    query: statsQuery,
    problems: [...history.problems, 'store-unavailable'],
  },
  {
    ...history,
    path: '/api/sessions/history',
    summary:
      'Sessions and refusals, newest first unless said. user and username, page_size and limit, hours and timeRange are two names of one thing. A cursor keeps the order of the page that gave it; say the filter again',
    answer: PAGE,
    query: historyQuery,
  },
  {
    ...history,
    path: '/api/sessions/history/export',
    summary:
      'All rows of a filter with every column, oldest first. The trailer Berth-Rows has their number; a stream that was cut has none',
    answer: 'The rows, a line each',
    media: ['text/csv', 'application/x-ndjson'],
    query: exportQuery,
  },
  {
    ...history,
    path: '/api/sessions/violations',
    for: 'fleet.read',
    summary: 'Refusals by limits, newest first',
    answer:
      '{violations: [{at, username, scope, key, max, active, action, call_id, count?, limits?}], total, page, limit, gaps?}',
    query: violationsQuery,
  },
  {
    ...history,
    path: '/api/sessions/peaks',
    for: 'fleet.read',
    summary: 'The most sessions at once, hour by hour; of users or groups without a name the highest',
    answer: '{window_hours, scope, name, peak, hours: [{at, peak}]}, or {window_hours, scope, top: [{name, peak}]}',
    query: peaksQuery,
  },
  {
    ...history,
    path: '/api/sessions/traffic',
    for: 'fleet.read',
    summary: 'What started in each hour, and what it sent',
    answer: '{window_hours, user, hours: [{at, sessions, bytes_sent, bytes_received, refusals}]}',
    query: trafficQuery,
  },
  {
    ...history,
    path: '/api/users/{user}/sessions',
    summary: 'The sessions and refusals of a user, live ones too; pages and filters as those of history',
    answer: PAGE,
    query: userHistoryQuery,
  },
  {
    tag: 'history',
    method: 'delete',
    path: '/api/sessions/users/{username}/history',
    for: 'history.erase',
    summary: 'Erase a person: what history says of sessions and refusals until now, as history.erase has it',
    answer: '{success, username, mode, sessions, refusals, message}',
    problems: ['not-found', 'user-has-sessions', 'history-unavailable'],
  },
];
