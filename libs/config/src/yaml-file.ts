import { isMap, isScalar, parseDocument, visit, type Document } from 'yaml';

import type { ConfigFiles } from './config-files.js';
import { ConfigError } from './config.error.js';

const DEFAULT_FILE = 'berth.yaml';

export interface YamlFile {
  /** As the operator named it; null if there is none. */
  name: string | null;
  content: Record<string, unknown>;
}

/** Reads the file that `BERTH_CONFIG` names, which then has to exist, or `berth.yaml` if there is one. */
export function readYamlFile(named: string | undefined, files: ConfigFiles): YamlFile {
  const name = named ?? DEFAULT_FILE;
  let source: string;
  try {
    source = files.read(name);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    if (named === undefined && code === 'ENOENT') return { name: null, content: {} };
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new ConfigError(name, [`${named === undefined ? name : `BERTH_CONFIG: found "${name}", but`} ${reason}`]);
  }
  return { name, content: parseYaml(source, name) };
}

function parseYaml(source: string, name: string): Record<string, unknown> {
  const document = parseDocument(source, {
    prettyErrors: true,
    // Keys are names: `+14155551234` and `14155551234` are two users, not one number.
    uniqueKeys: (a, b) => isScalar(a) && isScalar(b) && written(a) === written(b),
  });
  const isMapping = document.errors.length === 0 && isMap(document.contents);
  const assignments = isMapping || document.contents === null ? [] : assignmentsIn(source);
  const errors = document.errors.map((error) => `not YAML: ${error.message.split('\n')[0]?.replace(/:$/, '')}`);
  if (assignments.length + errors.length > 0) throw new ConfigError(name, [...assignments, ...errors]);
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return {};
  if (!isMap(document.contents))
    throw new ConfigError(name, ['found no sections, expected a mapping such as `limits: {…}`']);
  visit(document, {
    Pair(_, { key }) {
      if (!isScalar(key)) return;
      key.value = written(key);
      if (key.value === '__proto__') throw new ConfigError(name, ['__proto__: this name cannot be used as a key']);
    },
  });
  return contentOf(document, name);
}

/** Aliases are followed here: to nothing, to themselves, or to more than anybody writes. */
function contentOf(document: Document, name: string): Record<string, unknown> {
  try {
    const content = document.toJS() as Record<string, unknown>;
    JSON.stringify(content);
    return content;
  } catch (error) {
    const reason = error instanceof ReferenceError ? error.message : 'an alias contains itself';
    throw new ConfigError(name, [`not YAML that can be read: ${reason}; write the values out`]);
  }
}

const ASSIGNMENT = /^\s*([A-Za-z_]\w*(?:\.[\w-]+)*)\s*=/;

/** Lines such as `redis.host=localhost`, as other systems' files have them, each under its own name. Their values may be secrets. */
function assignmentsIn(source: string): string[] {
  return source.split('\n').flatMap((line, index) => {
    const path = ASSIGNMENT.exec(line)?.[1];
    return path === undefined ? [] : [`${path}: found ${path}=… in line ${index + 1}, expected YAML: ${inYaml(path)}`];
  });
}

/** How a path is written in YAML: `redis: { host: … }`. */
export function inYaml(path: string): string {
  const [first, ...inner] = path.split('.');
  return `${first}: ${inner.reduceRight((value, key) => `{ ${key}: ${value} }`, '…')}`;
}

function written(key: { value: unknown; source?: string }): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}
