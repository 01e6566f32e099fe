import type { z } from 'zod';

import { unknownFields } from '#service-kit';

/** The member that names fields which the schema does not know; nothing where there are none. */
export function warningsOf(schema: z.ZodType, body: unknown): { warnings?: string[] } {
  const warnings = unknownFields(schema, body).map((field) => `${field}: unknown field, ignored`);
  return warnings.length === 0 ? {} : { warnings };
}
