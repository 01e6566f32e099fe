import { z } from 'zod';

import { pageNumber, pageSize } from '../query.schema.js';

export const USER_SORTS = ['sessions_desc', 'sessions_asc', 'username_asc', 'username_desc'] as const;
export type UserSort = (typeof USER_SORTS)[number];

const sort = z.enum(USER_SORTS, { error: () => `must be one of ${USER_SORTS.join(', ')}` });

export const usersQuery = z.object({
  page: pageNumber(),
  limit: pageSize(),
  sort: z.preprocess((value) => (value === '' ? 'sessions_desc' : value), sort).default('sessions_desc'),
});

export type UsersQuery = z.output<typeof usersQuery>;
