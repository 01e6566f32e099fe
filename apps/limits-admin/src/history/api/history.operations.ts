import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { STATUSES } from '#session-history';
import { time } from '#session-wire';

import { count, nextCursor, pageFields } from '../../answers.schema.js';
import { writtenUser } from '../../query.schema.js';
import { exportQuery, historyQuery, userHistoryQuery, violationsQuery } from './history.schema.js';

/** Of all that is read from history: `not-found` where none is kept. */
export const HISTORY_PROBLEMS = [
  'not-found',
  'history-unavailable',
  'store-unavailable',
] as const satisfies OperationSpec['problems'];

/** There only where history lacks something. */
export const gapsField = {
  gaps: z
    .array(z.strictObject({ from: time(), to: time(), events: count().describe('At least so many are missing') }))
    .optional()
    .describe('There only where history lacks events of that time'),
};

export const rowFields = {
  id: z.string().describe('Of the session'),
  user: z.string().describe('Empty where it is not known'),
  source_ip: z.string().describe('Empty where it is not known'),
  source_port: count().describe('0 where it is not known'),
  dest_ip: z.string().describe('The host of the destination; empty where it is not known'),
  dest_port: count().describe('0 where it is not known'),
  protocol: z.string(),
  status: z.enum(STATUSES),
  acl_decision: z.string().nullable(),
  acl_rule: z.string().nullable(),
  bytes_sent: count(),
  bytes_received: count(),
  packets_sent: count(),
  packets_received: count(),
  start_time: time().describe('Of a refusal its moment'),
  end_time: time().nullable(),
  duration_seconds: count().nullable(),
  close_reason: z.string().nullable(),
  ended_by: z.string().nullable().describe('The id of the key that asked for the end; null where nobody did'),
};

const rowAnswer = z.strictObject(rowFields).meta({ id: 'HistoryRow', description: 'A session or a refusal' });

const pageAnswer = z
  .strictObject({
    data: z.array(rowAnswer),
    total: count(),
    page: z.int().min(1),
    page_size: z.int().min(1),
    total_pages: count(),
    nextCursor: nextCursor(),
    ...gapsField,
  })
  .meta({ id: 'HistoryPage', description: 'A page of sessions and refusals' });

const full = {
  scope: z.string().describe('user, group, ip or total'),
  key: z.string().describe('The user, the group (kind:name) or the address; * for the total'),
  max: z.number(),
  active: z.number(),
};
const action = () => z.string().describe('What the limit does where it is full');

export const fullLimitAnswer = z.strictObject({ ...full, action: action() });

const violationAnswer = z
  .strictObject({
    at: time(),
    username: z.string(),
    scope: full.scope.nullable(),
    key: full.key.nullable(),
    max: full.max.nullable(),
    active: full.active.nullable(),
    action: action(),
    call_id: z.string().nullable().describe('null where it stands for several refusals of that second'),
    count: z.int().min(2).optional().describe('So many refusals, where there are several'),
    limits: z.array(fullLimitAnswer).optional().describe('All that were full, where several were'),
  })
  .meta({ id: 'Violation', description: 'A refusal by limits' });

const PAGE = {
  data: [
    {
      id: 'call-1@pc33',
      user: 'alice',
      source_ip: '192.0.2.10',
      source_port: 5060,
      dest_ip: '198.51.100.7',
      dest_port: 5060,
      protocol: 'sip',
      status: 'closed',
      acl_decision: null,
      acl_rule: null,
      bytes_sent: 2_496_000,
      bytes_received: 2_480_000,
      packets_sent: 15_600,
      packets_received: 15_500,
      start_time: '2026-11-21T13:12:59.047Z',
      end_time: '2026-11-21T13:18:11.080Z',
      duration_seconds: 312,
      close_reason: 'completed',
      ended_by: null,
    },
  ],
  total: 1,
  page: 1,
  page_size: 50,
  total_pages: 1,
  nextCursor: null,
};

const PAGES = 'A cursor keeps the order of the page that gave it; say the filter again.';

/** Sessions and refusals, row by row. */
export const HISTORY = {
  list: {
    summary: 'Lists sessions and refusals, newest first by default',
    description: `user and username, page_size and limit, hours and timeRange are two names of one thing. ${PAGES}`,
    query: historyQuery,
    answers: { 200: pageAnswer },
    problems: HISTORY_PROBLEMS,
    example: { answer: PAGE },
  },
  ofUser: {
    summary: 'Lists the sessions and refusals of a user, live ones too',
    description: PAGES,
    params: z.object({ user: writtenUser() }),
    query: userHistoryQuery,
    answers: { 200: pageAnswer },
    problems: HISTORY_PROBLEMS,
    example: { answer: PAGE },
  },
  export: {
    summary: 'Exports all rows of a filter with every column, oldest first',
    description:
      'The trailers Berth-Rows and Content-Digest (RFC 9530) have their number and digest; a stream that was cut has none. Berth-Complete-Until says until when history is complete, Berth-Gaps what it lacks. With a cursor: sessions that have ended and refusals alone, in the order in which they came into history; the trailer Berth-Cursor is where the next export goes on, and JSON Lines end with a line {"export": {rows, cursor, completeUntil, gaps?}}.',
    query: exportQuery,
    answers: { 200: { media: ['text/csv', 'application/x-ndjson'], says: 'The rows, a line each' } },
    problems: HISTORY_PROBLEMS,
  },
  violations: {
    summary: 'Lists refusals by limits, newest first',
    query: violationsQuery,
    answers: { 200: z.strictObject({ violations: z.array(violationAnswer), ...pageFields, ...gapsField }) },
    problems: HISTORY_PROBLEMS,
    example: {
      answer: {
        violations: [
          {
            at: '2026-11-21T13:20:01.000Z',
            username: 'alice',
            scope: 'user',
            key: 'alice',
            max: 3,
            active: 3,
            action: 'reject',
            call_id: 'call-9@pc33',
          },
        ],
        total: 1,
        page: 1,
        limit: 50,
      },
    },
  },
} as const satisfies Record<string, OperationSpec>;
