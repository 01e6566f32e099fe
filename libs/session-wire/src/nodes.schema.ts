import { z } from 'zod';

import { MAX_PART_SESSIONS, MAX_PARTS } from '#session-core';

import { attempt, digits, groups, header, listOf, sessionId, text, wholeNumber } from './fields.schema.js';

const NODE_BYTES = 128;
const USER_BYTES = 4_096;
const MAX_CLAIMED = 10_000_000;

/** The name of a node. */
export const nodeName = () => text(NODE_BYTES);

/** An integer that is larger at each start of a node. */
export const epoch = () => wholeNumber(1);

/** What a node says when it beats: the body of `POST /v1/nodes/{node}/heartbeat`. */
export const heartbeatBody = z.object({ epoch: epoch(), activeSessions: wholeNumber(0, MAX_CLAIMED).optional() });
export type HeartbeatBody = z.output<typeof heartbeatBody>;

/** With which run a node leaves: the body of `POST /v1/nodes/{node}/leave`. */
export const leaveBody = z.object({ epoch: epoch() });
export type LeaveBody = z.output<typeof leaveBody>;

const mark = () => z.union([digits(0), wholeNumber(0)], 'must be the mark of a heartbeat answer');

const heldSession = z.object({
  id: sessionId(),
  attempt: attempt().optional(),
  user: header(USER_BYTES).default(''),
  groups: groups(),
  startedAt: z.iso
    .datetime({ offset: true, error: 'must be a time as RFC 3339 has it' })
    .transform((time) => Date.parse(time)),
  state: z.enum(['reserved', 'active'], 'must be reserved or active').optional(),
});

/** A part of the list of what a node holds: the body of `PUT /v1/nodes/{node}/sessions`. */
export const snapshotBody = z
  .object({
    epoch: epoch(),
    mark: mark(),
    part: wholeNumber(1, MAX_PARTS).default(1),
    parts: wholeNumber(1, MAX_PARTS).default(1),
    sessions: listOf(heldSession, MAX_PART_SESSIONS).default([]),
    none: z.boolean().default(false),
  })
  .refine(({ part, parts }) => part <= parts, { path: ['part'], error: 'must not be larger than parts' })
  .refine(({ none, sessions }) => !none || sessions.length === 0, {
    path: ['none'],
    error: 'must not be true where sessions are listed',
  });
export type SnapshotBody = z.output<typeof snapshotBody>;
