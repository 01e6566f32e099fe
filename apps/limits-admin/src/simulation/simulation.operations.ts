import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { warned } from '#session-wire';

import { count } from '../answers.schema.js';
import { limitKeyText } from '../limits/answers.schema.js';
import { simulationBody } from './simulation.schema.js';

const affected = z
  .strictObject({
    count: count(),
    by: z.record(z.string(), count()).describe('By the key of the limit; a session counts with each that concerns it'),
    sessions: z
      .array(
        z.strictObject({
          id: z.string(),
          user: z.string().describe('Empty where it is not known'),
          limits: z.array(limitKeyText()),
        }),
      )
      .describe('At most 1,000, the first'),
  })
  .meta({ id: 'Affected', description: 'Sessions that it would have concerned' });

const over = z.strictObject({
  key: z.string().describe('total, user:alice or group:trunk:west'),
  limit: count(),
  activeSessions: count(),
  over: z.int().min(1),
  observed: z.literal(true).optional().describe('It is only measured'),
});

const answer = z
  .strictObject({
    sessions: count().describe('That are live, and were replayed'),
    refused: affected.describe('Would not have been admitted'),
    terminated: affected.describe('Would have been ended to make room'),
    observed: z.record(z.string(), count()).describe('How often a limit that is only measured was full, by key'),
    over: z.array(over).describe('What would have more than its limit now; at most 1,000, those furthest above first'),
    changed: z.array(limitKeyText()).describe('The limits that the proposal is about; others may be in the answer'),
    rates_replayed: z.literal(false),
    version: count().describe('Of the limits that the proposal was laid over'),
    ...warned,
  })
  .meta({ id: 'Simulation', description: 'What the change would have done' });

/** Trying a change. */
export const SIMULATION = {
  simulate: {
    summary: 'Shows what a change would have done to the live sessions, and changes nothing',
    description:
      'They are replayed in the order of their start. Rates are not replayed, nor classes that only admissions name.',
    body: simulationBody,
    answers: { 200: answer },
    problems: ['too-many-requests', 'store-unavailable'],
    example: {
      body: { max_sessions_per_user: 4 },
      answer: {
        sessions: 5,
        refused: { count: 1, by: { user: 1 }, sessions: [{ id: 'call-5', user: 'alice', limits: ['user'] }] },
        terminated: { count: 0, by: {}, sessions: [] },
        observed: {},
        over: [{ key: 'user:alice', limit: 4, activeSessions: 5, over: 1 }],
        changed: ['user'],
        rates_replayed: false,
        version: 1,
      },
    },
  },
} as const satisfies Record<string, OperationSpec>;
