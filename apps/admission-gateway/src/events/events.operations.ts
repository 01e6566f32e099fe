import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { warned } from '#session-wire';

import { eventsBody } from './events.schema.js';

const publishedAnswer = z
  .strictObject({
    results: z.array(
      z.strictObject({
        index: z.int().min(0).describe('Of the event in the list'),
        status: z.int().describe('That a call of its own would have had'),
        code: z.string().optional(),
        detail: z.unknown().optional().describe('What went wrong, or what the last part of a snapshot was answered'),
      }),
    ),
    ...warned,
  })
  .meta({ id: 'Published', description: 'One result for each event, in their order' });

/** What servers publish. */
export const PUBLISH: OperationSpec = {
  summary: 'Takes events of many sessions; each has a result of its own',
  body: eventsBody,
  answers: { 200: publishedAnswer },
  problems: [],
  example: {
    body: {
      events: [{ type: 'session.ended', sessionId: 'a84b4c76e66710@pc33.example.com', attempt: 1, bytesSent: 344_000 }],
    },
    answer: { results: [{ index: 0, status: 204 }] },
  },
};
