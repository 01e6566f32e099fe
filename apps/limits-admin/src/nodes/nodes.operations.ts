import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { time } from '#session-wire';

import { count, doneAnswer, message, pageFields, success, terminatedAnswer } from '../answers.schema.js';
import { drainBody, forgetBody, nodePath, nodesQuery } from './nodes.schema.js';

const progress = z.strictObject({
  state: z.enum(['collecting', 'comparing', 'done']),
  parts: count().describe('Of which it consists'),
  arrived: count().describe('Of them'),
  phase: z.enum(['compare', 'drop']).nullable().describe('While it is worked on'),
  done: count().describe('Sessions that were looked at or ended'),
  of: count().describe('Of how many'),
});

const nodeAnswer = z
  .strictObject({
    node: z.string(),
    epoch: z.int().nullable().describe('Its present start'),
    state: z
      .enum(['live', 'lost', 'unwatched'])
      .describe('unwatched: it has not beaten, and is listed because it drains'),
    draining: z.boolean().describe('It takes no new sessions'),
    since: time().nullable().describe('When it came into this state'),
    lastBeat: time().nullable(),
    via: z.enum(['http', 'inbox']).nullable().describe('How it beats'),
    claimedSessions: count().nullable().describe('By its own count, with its last beat'),
    sessions: count().describe('By the books'),
    pendingCommands: count(),
    lastSnapshot: time().nullable(),
    snapshot: progress.nullable().describe('How far its newest list has come'),
  })
  .meta({ id: 'Node', description: 'A node as the tenant knows it' });

const allowed = {
  since: time(),
  allowedUntil: time().nullable().describe('Until then it lets through; null where it does not'),
};
const fuseAnswer = z
  .discriminatedUnion('kind', [
    z.strictObject({ id: z.literal('nodes'), kind: z.literal('nodes'), silent: count(), live: count(), ...allowed }),
    z.strictObject({
      id: z.string(),
      kind: z.literal('snapshot'),
      node: z.string(),
      epoch: z.int(),
      wouldEnd: count().describe('Sessions'),
      wouldHangUp: count().describe('Sessions'),
      held: count().describe('Sessions of the node by the books'),
      ...allowed,
    }),
  ])
  .meta({ id: 'Fuse', description: 'What was stopped because it would have ended too many sessions' });

/** Which nodes there are, and what was stopped. */
export const NODES = {
  list: {
    summary: 'Lists the nodes: live, lost and draining',
    query: nodesQuery,
    answers: { 200: z.strictObject({ nodes: z.array(nodeAnswer), ...pageFields }) },
    problems: ['store-unavailable'],
    example: {
      answer: {
        nodes: [
          {
            node: 'b2bua-1',
            epoch: 1_763_700_000_000,
            state: 'live',
            draining: false,
            since: '2026-11-21T04:40:00.000Z',
            lastBeat: '2026-11-21T04:45:00.000Z',
            via: 'http',
            claimedSessions: 12,
            sessions: 12,
            pendingCommands: 0,
            lastSnapshot: null,
            snapshot: null,
          },
        ],
        total: 1,
        page: 1,
        limit: 50,
      },
    },
  },
  drain: {
    summary: 'Has a node take no new sessions, or take them again; it keeps those that it has',
    description:
      'Repeatable. In force for the next decision of every gateway, and for every start of the node, until it is taken back or the node leaves or is forgotten. `sessions` is what it holds now.',
    params: nodePath,
    body: drainBody,
    answers: {
      200: z
        .strictObject({
          success: success(),
          node: z.string(),
          draining: z.boolean(),
          sessions: count().describe('By the books'),
          message: message(),
        })
        .meta({ id: 'Drained', description: 'Whether the node takes new sessions now' }),
    },
    problems: ['store-unavailable'],
    example: {
      body: { draining: true },
      answer: {
        success: true,
        node: 'b2bua-1',
        draining: true,
        sessions: 12,
        message: 'Node b2bua-1 takes no new sessions; it holds 12',
      },
    },
  },
  forget: {
    summary: 'Forgets a node and ends what it holds; its next epoch may be any',
    params: nodePath,
    body: forgetBody,
    answers: { 200: terminatedAnswer },
    problems: ['not-found', 'store-unavailable'],
  },
  fuses: {
    summary: 'Lists tripped fuses: each holds back what would have ended too many sessions',
    answers: { 200: z.strictObject({ fuses: z.array(fuseAnswer), total: count() }) },
    problems: ['store-unavailable'],
    example: {
      answer: {
        fuses: [
          {
            id: 'nodes',
            kind: 'nodes',
            silent: 3,
            live: 4,
            since: '2026-11-21T04:45:00.000Z',
            allowedUntil: null,
          },
        ],
        total: 1,
      },
    },
  },
  allow: {
    summary: 'Lets through for ten minutes what a fuse holds back',
    params: z.object({ fuse: z.string().describe('nodes, or snapshot/ and the node') }),
    answers: { 200: doneAnswer },
    problems: ['not-found', 'store-unavailable'],
  },
} as const satisfies Record<string, OperationSpec>;
