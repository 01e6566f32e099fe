import { z } from 'zod';

import { cursorText, pageSize } from '../query.schema.js';

const MAX_CURSOR_BYTES = 64;

export const deadLettersQuery = z.object({ cursor: cursorText(MAX_CURSOR_BYTES), limit: pageSize() });
