import type { z } from 'zod';

import type { ProblemCode, Right } from '#service-kit';

export interface Route {
  method: 'get' | 'put' | 'post' | 'delete';
  /** As OpenAPI writes it: `{name}` for a parameter. */
  path: string;
  tag: string;
  /** The right that a caller needs; `open`: nobody needs a key. */
  for: Right | 'open';
  summary: string;
  /** What a 200 holds. */
  answer: string;
  /** What it comes as, where that is not JSON. */
  media?: string[];
  /** What may go wrong that a caller of this route should expect. */
  problems?: ProblemCode[];
  query?: z.ZodObject;
  body?: z.ZodType;
}
