import { z } from 'zod';

import { text } from '#session-wire';

import { action, changeFields, expecting, flag, limit, rate, reserve } from '../limits/fields.schema.js';
import { pageNumber, pageSize } from '../query.schema.js';

const MAX_NAME_BYTES = 128;
const KIND = /^[a-z0-9-]{1,32}$/;

const kindExpected = expecting('a kind of group: 1 to 32 of a-z, 0-9 and -');

export const kindPath = z.object({ kind: z.string(kindExpected).regex(KIND, kindExpected) });
export const groupPath = kindPath.extend({ name: text(MAX_NAME_BYTES) });

export const groupsQuery = z.object({ page: pageNumber(), limit: pageSize() });
export type GroupsQuery = z.output<typeof groupsQuery>;

const groupExpected = expecting('a group, kind:name, or null');

/** Body of `PUT /groups/:kind`. */
export const kindBody = z.object({
  default: limit().optional(),
  action: action().optional(),
  rate: rate().optional(),
  ...changeFields,
});

/** Body of `PUT /groups/:kind/:name`. */
export const groupBody = z.object({
  limit: limit().optional(),
  parent: z.string(groupExpected).nullish(),
  rate: rate().optional(),
  observe: flag().optional(),
  reserve: reserve().optional(),
  ...changeFields,
});
