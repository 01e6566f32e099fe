import { z } from 'zod';

import { PROBLEMS } from '../problems/problem-table.js';

/** Problem details (RFC 9457). Members beside these depend on the code. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(PROBLEMS)),
    error: z.string().optional().describe('Under /api: the sentence of detail, or one that callers know'),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' });
