import type { BerthConfig } from '#config';

/** A command of a list may take longer than a decision: a person waits for it, and nobody's call. */
const LIST_DEADLINE_MS = 2_000;

export const listDeadlineMs = ({ decisionDeadlineMs }: BerthConfig['store']): number =>
  Math.max(decisionDeadlineMs, LIST_DEADLINE_MS);
