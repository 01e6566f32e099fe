import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { heartbeatBody, leaveBody, snapshotBody, time, warned } from '#session-wire';

import { nodePath } from './nodes.schema.js';

const count = () => z.int().min(0);

const beatAnswer = z
  .strictObject({
    leaseSeconds: z.number().describe('Without a beat for so long the node is lost, and what it holds ends'),
    beatSeconds: z.number().describe('How often to beat'),
    snapshotWanted: z.boolean().describe('Send the list of what is held, with this mark'),
    mark: z.string(),
    now: time().describe("The store's clock"),
    ...warned,
  })
  .meta({ id: 'Beat', description: 'How often to beat, and whether a snapshot is wanted' });

const snapshotAnswer = z
  .strictObject({
    complete: z.boolean().describe('Whether this was the last part; the figures are those of the whole'),
    adopted: count().describe('Sessions that were not on the books and are now'),
    restored: count().describe('Sessions whose end was provisional and that live again'),
    dropped: count().describe('Sessions that the node does not hold; they have ended'),
    elsewhere: count().describe('Sessions that another node holds'),
    hangUp: z.array(z.string()).describe('Sessions that have ended: hang them up'),
    suspended: z.string().optional().describe('The fuse that keeps the snapshot from ending anything'),
    ...warned,
  })
  .meta({ id: 'Snapshot', description: 'What came of the list' });

const problems = ['stale-epoch', 'store-unavailable'] as const satisfies OperationSpec['problems'];
const snapshot = { params: nodePath, body: snapshotBody, answers: { 200: snapshotAnswer }, problems };

/** What nodes say of themselves. */
export const NODES = {
  heartbeat: {
    summary: 'Takes a beat of the node',
    description:
      'A larger epoch is a new start of the node: what its earlier ones held ends. A name belongs to one process: that of the pod, not of the Deployment.',
    params: nodePath,
    body: heartbeatBody,
    answers: { 200: beatAnswer },
    problems,
    example: {
      body: { epoch: 1_763_700_000_000, activeSessions: 12 },
      answer: {
        leaseSeconds: 15,
        beatSeconds: 5,
        snapshotWanted: false,
        mark: '1763700005000',
        now: '2026-11-21T04:40:05.000Z',
      },
    },
  },
  leave: {
    summary: 'Takes leave of a node that goes for good, and ends what it holds',
    description:
      'Repeatable. What it holds ends as `completed`, its commands are dropped, and its name is forgotten: it is neither listed nor watched, and no fuse counts it. A larger epoch begins anew.',
    params: nodePath,
    body: leaveBody,
    answers: { 204: null },
    problems,
    example: { body: { epoch: 1_763_700_000_000 } },
  },
  snapshot: {
    ...snapshot,
    summary: 'Takes the list of the sessions that the node holds, or a part of it',
    description:
      'The books follow: what the node holds comes onto them, what it does not hold leaves. An empty list needs `none: true`.',
    example: {
      body: {
        epoch: 1_763_700_000_000,
        mark: '1763700005000',
        sessions: [{ id: 'a84b4c76e66710@pc33.example.com', user: 'alice', startedAt: '2026-11-21T04:40:00Z' }],
      },
      answer: { complete: true, adopted: 0, restored: 0, dropped: 0, elsewhere: 0, hangUp: [] },
    },
  },
  postSnapshot: { ...snapshot, summary: 'The same as PUT, for clients that cannot send PUT' },
} as const satisfies Record<string, OperationSpec>;
