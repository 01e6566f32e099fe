import { z } from 'zod';

import { sessionId } from '#session-wire';

import { cursorText, pageSize, queryText } from '../query.schema.js';

const MAX_NAME_BYTES = 256;
const MAX_NODE_BYTES = 128;
/** A user may come as an address, which `canonicalUser` bounds. */
const MAX_WRITTEN_USER_BYTES = 8_192;

export const activeQuery = z.object({
  username: queryText(MAX_WRITTEN_USER_BYTES).describe('Only those of this user'),
  node: queryText(MAX_NODE_BYTES).describe('Only those of this node'),
  cursor: cursorText(),
  limit: pageSize(),
});

/** `user` tells in which of several shards to look. */
export const terminateQuery = z.object({
  user: queryText(MAX_WRITTEN_USER_BYTES).describe('Whose session it is: where to look first'),
});

/** `session_id` where the path has `-`: for ids that a path cannot carry, and those that are words of paths. */
export const sessionQuery = z.object({
  session_id: sessionId().optional().describe('The id, where the path has - in its place'),
});

const text = { error: () => `must be text of at most ${MAX_NAME_BYTES} bytes` };

export const terminateBody = z.object({
  reason: z
    .string(text)
    .refine((value) => Buffer.byteLength(value) <= MAX_NAME_BYTES, text)
    .nullish()
    .describe('Why: in log, event and history'),
});
