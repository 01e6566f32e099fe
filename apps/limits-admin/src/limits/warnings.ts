import type { z } from 'zod';

import { unknownFields } from '#service-kit';

/** The member that names fields which the schema does not know; nothing where there are none. */
export function warningsOf(schema: z.ZodType, body: unknown, others: string[] = []): { warnings?: string[] } {
  return warned([...others, ...unknownFields(schema, body).map((field) => `${field}: unknown field, ignored`)]);
}

/** The member for these; nothing where there are none. */
export function warned(warnings: string[]): { warnings?: string[] } {
  return warnings.length === 0 ? {} : { warnings };
}
