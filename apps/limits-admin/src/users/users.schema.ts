import { z } from 'zod';

import { cursorText, pageNumber, pageSize } from '../query.schema.js';

/** Of one user nearly always all are wanted. */
const SESSIONS_SHOWN = 1_000;

const USER_SORTS = ['sessions_desc', 'sessions_asc', 'username_asc', 'username_desc'] as const;
export type UserSort = (typeof USER_SORTS)[number];

const sort = z.enum(USER_SORTS, { error: () => `must be one of ${USER_SORTS.join(', ')}` });

export const usersQuery = z.object({
  page: pageNumber(),
  limit: pageSize(),
  sort: z.preprocess((value) => (value === '' ? 'sessions_desc' : value), sort).default('sessions_desc'),
});

/** Query of one user: which page of the sessions. */
export const userQuery = z.object({ limit: pageSize(SESSIONS_SHOWN), cursor: cursorText() });
export type UserQuery = z.output<typeof userQuery>;

export type UsersQuery = z.output<typeof usersQuery>;
