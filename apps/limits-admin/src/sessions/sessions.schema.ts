import { z } from 'zod';

import { pageSize, queryText } from '../query.schema.js';

const MAX_NAME_BYTES = 256;
const MAX_NODE_BYTES = 128;
const MAX_CURSOR_BYTES = 2_048;
/** A user may come as an address, which `canonicalUser` bounds. */
const MAX_WRITTEN_USER_BYTES = 8_192;

export const activeQuery = z.object({
  username: queryText(MAX_WRITTEN_USER_BYTES),
  node: queryText(MAX_NODE_BYTES),
  cursor: queryText(MAX_CURSOR_BYTES),
  limit: pageSize(),
});

/** `user` tells in which of several shards to look. */
export const terminateQuery = z.object({ user: queryText(MAX_WRITTEN_USER_BYTES) });

const text = { error: () => `must be text of at most ${MAX_NAME_BYTES} bytes` };

export const terminateBody = z.object({
  reason: z
    .string(text)
    .refine((value) => Buffer.byteLength(value) <= MAX_NAME_BYTES, text)
    .nullish(),
});
