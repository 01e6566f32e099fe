import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { time } from '#session-wire';

import { count } from '../../answers.schema.js';
import { gapsField, HISTORY_PROBLEMS } from './history.operations.js';
import { peaksQuery, statsQuery, trafficQuery } from './history.schema.js';

const window_hours = z.number().positive().describe('How far back, in hours; 0.25 of timeRange=15m');

const statsAnswer = z
  .strictObject({
    window_hours,
    active_sessions: count().describe('Live now by the books, whenever they started'),
    total_sessions: count().describe('That started in the window, ended or not'),
    total_bytes_sent: count().describe('Of those'),
    total_bytes_received: count().describe('Of those'),
    top_users: z
      .array(z.strictObject({ user: z.string(), sessions: count(), bytes: count().describe('In both directions') }))
      .max(10)
      .describe('Of those sessions, by the most bytes'),
    top_destinations: z
      .array(z.strictObject({ dest: z.string().describe('host:port'), sessions: count() }))
      .max(10)
      .describe('Of those sessions, by the most of them'),
    peakConcurrentSessions: count().describe('Live at once since the beginning of the hour in which the window begins'),
    averageDuration: z.number().min(0).nullable().describe('Seconds, of those that have ended; null if none has'),
    limitViolations: count().describe('Refusals by limits in the window'),
    authenticated_sessions: count().describe('Live now with a user'),
    idle_sessions: count().describe('Live now and silent for more than half of their idle time'),
    unique_users: count().describe('Who have live sessions'),
    idle_sessions_at_least: z.literal(true).optional().describe('There where idle_sessions may be more'),
    ...gapsField,
  })
  .meta({ id: 'Statistics', description: 'What history says of the window, beside what is live now' });

const peak = count().describe('The most sessions live at once');

const peaksAnswer = z.strictObject({
  window_hours,
  scope: z.enum(['total', 'user', 'group']),
  name: z.string().nullable().describe('The user or the group (kind:name); null of the total'),
  peak,
  hours: z.array(z.strictObject({ at: time().describe('Its beginning'), peak })),
});

const highestAnswer = z.strictObject({
  window_hours,
  scope: z.enum(['user', 'group']),
  top: z.array(z.strictObject({ name: z.string(), peak })).describe('The highest first'),
});

const trafficAnswer = z.strictObject({
  window_hours,
  user: z.string().nullable(),
  hours: z
    .array(
      z.strictObject({
        at: time().describe('Its beginning'),
        sessions: count().describe('That started within it'),
        bytes_sent: count().describe('By those, until now'),
        bytes_received: count().describe('By those, until now'),
        refusals: count(),
      }),
    )
    .describe('Those in which anything started, oldest first'),
});

/** What history adds up to. */
export const STATISTICS = {
  stats: {
    summary: 'Shows what started within a window, and what is live now',
    query: statsQuery,
    answers: { 200: statsAnswer },
    problems: HISTORY_PROBLEMS,
    example: {
      answer: {
        window_hours: 48,
        active_sessions: 1,
        total_sessions: 3,
        total_bytes_sent: 3_256_000,
        total_bytes_received: 3_232_000,
        top_users: [{ user: 'alice', sessions: 2, bytes: 4_976_000 }],
        top_destinations: [{ dest: '198.51.100.7:5060', sessions: 2 }],
        peakConcurrentSessions: 2,
        averageDuration: 353.5,
        limitViolations: 6,
        authenticated_sessions: 1,
        idle_sessions: 0,
        unique_users: 1,
      },
    },
  },
  peaks: {
    summary: 'Shows the most sessions at once, hour by hour; of users or groups without a name the highest peaks',
    query: peaksQuery,
    answers: { 200: z.union([peaksAnswer, highestAnswer]) },
    problems: HISTORY_PROBLEMS,
    example: {
      answer: {
        window_hours: 1,
        scope: 'total',
        name: null,
        peak: 12,
        hours: [
          { at: '2026-11-21T12:00:00.000Z', peak: 9 },
          { at: '2026-11-21T13:00:00.000Z', peak: 12 },
        ],
      },
    },
  },
  traffic: {
    summary: 'Shows what started in each hour, and what it has sent until now',
    query: trafficQuery,
    answers: { 200: trafficAnswer },
    problems: HISTORY_PROBLEMS,
    example: {
      answer: {
        window_hours: 24,
        user: null,
        hours: [
          {
            at: '2026-11-21T13:00:00.000Z',
            sessions: 3,
            bytes_sent: 3_256_000,
            bytes_received: 3_232_000,
            refusals: 6,
          },
        ],
      },
    },
  },
} as const satisfies Record<string, OperationSpec>;
