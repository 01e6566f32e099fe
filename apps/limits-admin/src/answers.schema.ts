import { z } from 'zod';

import { liveSessionAnswer, unreadableSessionAnswer } from '#session-wire';

/** Parts that answers of several calls have in common; strict, as those of `#session-wire`. */

export const count = () => z.int().min(0);
export const success = () => z.literal(true);
export const message = () => z.string().describe('What was done, as a sentence');

/** Where a page by number is. */
export const pageFields = {
  total: count().describe('On all pages'),
  page: z.int().min(1),
  limit: z.int().min(1).describe('The most on one page'),
};

/** Where a page by cursor goes on. */
export const nextCursor = () => z.string().nullable().describe('Where the next page begins; null at the end');

export const doneAnswer = z
  .strictObject({ success: success(), message: message() })
  .meta({ id: 'Done', description: 'It is done' });

export const terminatedAnswer = z
  .strictObject({ success: success(), terminated: count().describe('Sessions that were ended'), message: message() })
  .meta({ id: 'Terminated', description: 'How many sessions were ended' });

/** A session of a list. */
export const listedSession = z.union([liveSessionAnswer, unreadableSessionAnswer]);
