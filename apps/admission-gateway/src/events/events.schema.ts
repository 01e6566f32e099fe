import { z } from 'zod';

import { listOf } from '#session-wire';

/** So many events in one call. */
const MAX_EVENTS = 1_000;

/** The body of `POST /v1/events`. Each event is judged by itself. */
export const eventsBody = z.object({
  events: listOf(z.record(z.string(), z.unknown(), 'must be an object'), MAX_EVENTS),
});
