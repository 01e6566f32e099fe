import { Validator } from '@seriousme/openapi-schema-validator';

interface Schema {
  safeParse(value: unknown): { success: boolean; error?: { message: string } };
}

interface WithExample {
  handler: string;
  body?: Schema | undefined;
  answers: Readonly<Record<number, unknown>>;
  example?: { body?: unknown; answer?: unknown } | undefined;
}

/** Throws unless the document is valid OpenAPI, and every reference of it leads to something. */
export async function assertDescribed(document: Record<string, unknown>): Promise<void> {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  if (!valid) throw new Error(`The document is no OpenAPI: ${JSON.stringify(errors, null, 2)}`);
  for (const [, path = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = path
      .split('/')
      .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document);
    if (target === undefined) throw new Error(`The document refers to ${path}, which it does not have`);
  }
  const { schemas = {} } = document['components'] as { schemas?: Record<string, Record<string, unknown>> };
  for (const [name, schema] of Object.entries(schemas)) {
    if ('$ref' in schema) throw new Error(`The schema ${name} of the document is nothing but a reference`);
  }
}

/** Examples that the schemas of their operation do not take, or do not give. */
export function exampleFaults(operations: readonly WithExample[]): string[] {
  return operations.flatMap(({ handler, body, answers, example }) => [
    ...(example?.body === undefined ? [] : fault(`${handler}, body`, body, example.body)),
    ...(example?.answer === undefined ? [] : fault(`${handler}, answer`, Object.values(answers)[0], example.answer)),
  ]);
}

function fault(what: string, schema: unknown, value: unknown): string[] {
  const { success, error } = (schema as Schema).safeParse(value);
  return success ? [] : [`${what}: ${error?.message}`];
}
