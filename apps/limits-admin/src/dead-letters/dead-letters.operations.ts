import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { time } from '#session-wire';

import { count, doneAnswer, nextCursor } from '../answers.schema.js';
import { deadLettersQuery } from './dead-letters.schema.js';

const letterAnswer = z
  .strictObject({
    id: z.string(),
    at: time().describe('When it was given up'),
    reason: z.string(),
    deliveries: count(),
    stream: z.string().describe('Where it came from'),
    streamId: z.string(),
    fields: z.record(z.string(), z.string()).describe('As its server published it'),
  })
  .meta({ id: 'DeadLetter', description: 'An event that could not be applied' });

const ofOne = {
  params: z.object({ id: z.string() }),
  answers: { 200: doneAnswer },
  problems: ['not-found', 'store-unavailable'],
} as const satisfies Partial<OperationSpec>;

/** Events of servers that could not be applied. */
export const DEAD_LETTERS = {
  list: {
    summary: 'Lists events that could not be applied',
    query: deadLettersQuery,
    answers: {
      200: z.strictObject({
        deadLetters: z.array(letterAnswer),
        nextCursor: nextCursor(),
        total: count().describe('Of the tenant'),
      }),
    },
    problems: ['store-unavailable'],
    example: {
      answer: {
        deadLetters: [
          {
            id: '1763700000000-0',
            at: '2026-11-21T04:40:00.000Z',
            reason: 'invalid-request: sessionId: is required: expected string',
            deliveries: 1,
            stream: 'berth:{inbox/0}:events',
            streamId: '1763699999000-0',
            fields: { type: 'session.end', node: 'b2bua-1' },
          },
        ],
        nextCursor: null,
        total: 1,
      },
    },
  },
  replay: { ...ofOne, summary: 'Publishes an event again, with its old time' },
  discard: { ...ofOne, summary: 'Discards an event' },
} as const satisfies Record<string, OperationSpec>;
