import { z } from 'zod';

import { InvalidInputError } from '#session-core';
import { header, text, wholeNumber } from '#session-wire';

/** In one answer; what does not fit comes once these are acknowledged. */
const MAX_COMMANDS = 1_000;
const CAUSE_BYTES = 1_024;

const nodeName = text(128);

/** The node of a path. Throws InvalidInputError. */
export function pathNode(written: string): string {
  const result = nodeName.safeParse(written);
  if (result.success) return result.data;
  throw new InvalidInputError('node', result.error.issues[0]?.message ?? 'must be the name of a node');
}

export const pollBody = z.object({ max: wholeNumber(1, MAX_COMMANDS).default(MAX_COMMANDS) });

/** `done`: hung up. `gone`: there was nothing to hang up. `failed`: it lives on; the command comes again. */
export const ackBody = z.object({
  result: z.enum(['done', 'gone', 'failed'], 'must be done, gone or failed'),
  cause: header(CAUSE_BYTES).optional(),
});
export type AckBody = z.output<typeof ackBody>;
