import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { warned } from '#session-wire';

import { nodePath } from '../nodes/nodes.schema.js';
import { ackBody, pollBody } from './commands.schema.js';

const commandAnswer = z
  .strictObject({
    commandId: z.string(),
    sessionId: z.string(),
    attempt: z.int(),
    reason: z.string().describe('Why it ended'),
  })
  .meta({ id: 'Command', description: 'A session that the node has to hang up' });

/** What a node must still do. */
export const COMMANDS = {
  stream: {
    summary: 'Streams the commands of the node as server-sent events',
    description:
      'Each is `event: terminate` with the command as `data`; one that is not acknowledged comes again. `event: reconnect` is the last event, with its reason: `draining`, the gateway stops, connect to another one; `key-changed`, the key was taken away or says another thing now.',
    params: nodePath,
    answers: { 200: { media: ['text/event-stream'], says: 'The commands' } },
    problems: ['method-not-allowed', 'too-many-requests', 'store-unavailable'],
  },
  poll: {
    summary: 'Lists the commands of the node, for clients that cannot hold a stream open',
    params: nodePath,
    body: pollBody,
    answers: {
      200: z.strictObject({
        commands: z.array(commandAnswer),
        more: z.boolean().describe('More come once these are acknowledged'),
        ...warned,
      }),
    },
    problems: ['store-unavailable'],
    example: {
      body: {},
      answer: {
        commands: [
          {
            commandId: 'a84b4c76e66710@pc33.example.com/1',
            sessionId: 'a84b4c76e66710@pc33.example.com',
            attempt: 1,
            reason: 'killed',
          },
        ],
        more: false,
      },
    },
  },
  acknowledge: {
    summary: 'Reports the result of a command',
    description:
      '`done`: hung up. `gone`: there was nothing to hang up. `failed`: it lives on, and the command comes again.',
    params: nodePath.extend({ commandId: z.string() }),
    body: ackBody,
    answers: { 204: null },
    problems: ['not-found', 'store-unavailable'],
    example: { body: { result: 'done' } },
  },
} as const satisfies Record<string, OperationSpec>;
