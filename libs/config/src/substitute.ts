import type { Environment } from './environment.config.js';

const REFERENCE = /\$\{([^}]*)\}?/g;
const NAME_AND_DEFAULT = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces `${NAME}` and `${NAME:-default}` inside all text values by the environment, once: what comes in is not read again.
 *
 * The default holds for a variable that is not set or empty. Each one that is neither set nor has a default goes to `problems`.
 */
export function substitute(value: unknown, env: Environment, problems: string[], path = ''): unknown {
  if (typeof value === 'string') return substituteText(value, env, problems, path);
  if (Array.isArray(value)) return value.map((item, index) => substitute(item, env, problems, `${path}[${index}]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      substitute(inner, env, problems, path === '' ? key : `${path}.${key}`),
    ]),
  );
}

function substituteText(written: string, env: Environment, problems: string[], path: string): string {
  return written.replace(REFERENCE, (reference, inner: string) => {
    const [, name, fallback] = NAME_AND_DEFAULT.exec(inner) ?? [];
    if (name === undefined || !reference.endsWith('}')) {
      problems.push(`${path}: found ${JSON.stringify(reference)}, expected \${NAME} or \${NAME:-default}`);
      return reference;
    }
    const found = env[name];
    if (found !== undefined && (found !== '' || fallback === undefined)) return found;
    if (fallback !== undefined) return fallback;
    problems.push(`${path}: found \${${name}}, but the environment variable ${name} is not set`);
    return reference;
  });
}
