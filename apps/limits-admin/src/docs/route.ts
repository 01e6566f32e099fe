import type { z } from 'zod';

import type { ProblemCode } from '#service-kit';

/** Who may call: nobody needs a key, any key, those who watch, those who change limits, admins alone. Each includes those after it. */
export type Audience = 'open' | 'any key' | 'viewer' | 'operator' | 'admin';

export interface Route {
  method: 'get' | 'put' | 'post' | 'delete';
  /** As OpenAPI writes it: `{name}` for a parameter. */
  path: string;
  tag: string;
  for: Audience;
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
