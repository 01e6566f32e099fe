import { z } from 'zod';

import { pageSize, queryText } from '../query.schema.js';

const MAX_CURSOR_BYTES = 64;

export const deadLettersQuery = z.object({ cursor: queryText(MAX_CURSOR_BYTES), limit: pageSize() });
