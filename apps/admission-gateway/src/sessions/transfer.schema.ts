import { z } from 'zod';

import { attempt, header, sessionId, text, wholeNumber } from '#session-wire';

const HEADER_BYTES = 4_096;
const NODE_BYTES = 128;

/** `sessionId` counts where the path says `-`. */
const named = { sessionId: sessionId().optional(), attempt: attempt().optional() };

export const authenticateBody = z.object({ ...named, user: header(HEADER_BYTES) });

export const transferBody = z.object({
  ...named,
  node: text(NODE_BYTES),
  epoch: wholeNumber(1).optional(),
  user: header(HEADER_BYTES).optional(),
  newId: sessionId().optional(),
});
