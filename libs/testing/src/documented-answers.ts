import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** Of an OpenAPI 3.1 document what describes answers. */
export interface ApiDocument {
  paths: Record<string, Record<string, { responses: Record<string, DocumentedResponse> }>>;
  components?: unknown;
}

interface DocumentedResponse {
  description: string;
  content?: Record<string, { schema?: unknown }>;
}

export interface ReceivedAnswer {
  method: string;
  path: string;
  status: number;
  /** The content type, '' for none. */
  type: string;
  text: string;
}

const PROBLEM = 'application/problem+json';

/** Holds answers of a running service against the OpenAPI document that it publishes. */
export class DocumentedAnswers {
  private readonly routes: { pattern: RegExp; path: string }[];
  private readonly ajv: Ajv2020;
  private readonly validators = new Map<string, ValidateFunction>();

  constructor(private readonly document: ApiDocument) {
    this.routes = Object.keys(document.paths)
      // `/users/{user}` after `/users/peaks`: a name in the path is the last that is meant.
      .toSorted((one, other) => parameters(one) - parameters(other))
      .map((path) => ({ path, pattern: patternOf(path) }));
    // Formats are held by zod at the edge; here it is the shape that counts.
    this.ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  }

  /** What the document does not say about this answer; null if it says all, or has no such operation. */
  fault({ method, path, status, type, text }: ReceivedAnswer): string | null {
    const route = this.routes.find(({ pattern }) => pattern.test(path))?.path;
    const operation = route === undefined ? undefined : this.document.paths[route]?.[method.toLowerCase()];
    if (route === undefined || operation === undefined) return null;
    const where = `${method} ${route} answered ${status}`;
    const response = operation.responses[status];
    if (response === undefined) return `${where}, which is not documented: ${text.slice(0, 200)}`;
    const [media, content] = Object.entries(response.content ?? {}).find(([one]) => type.startsWith(one)) ?? [];
    if (media === undefined) {
      return text === '' && response.content === undefined
        ? null
        : `${where} with ${type || 'a body'}, which is not documented`;
    }
    if (!media.endsWith('json') || content?.schema === undefined) return null;
    const body = JSON.parse(text) as { code?: string };
    if (media === PROBLEM && !response.description.includes(`\`${body.code}\``)) {
      return `${where} with the problem ${body.code}, which is not documented`;
    }
    const validate = this.validatorOf(`${method} ${route} ${status} ${media}`, content.schema);
    return validate(body) ? null : `${where}: ${this.ajv.errorsText(validate.errors, { dataVar: 'body' })}`;
  }

  private validatorOf(name: string, schema: unknown): ValidateFunction {
    const known = this.validators.get(name);
    if (known !== undefined) return known;
    const validate = this.ajv.compile({ allOf: [schema], components: this.document.components });
    this.validators.set(name, validate);
    return validate;
  }
}

function parameters(path: string): number {
  return path.split('{').length;
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('[^/]+')}$`);
}
