/** What `warnings` says of fields that nobody reads. */
export function ignored(fields: readonly string[]): string[] {
  return fields.map((field) => `${field}: unknown field, ignored`);
}

/** The member `warnings` of an answer, absent where there is nothing to say. */
export function warningsOf(unknown: readonly string[]): { warnings?: string[] } {
  return unknown.length === 0 ? {} : { warnings: ignored(unknown) };
}
