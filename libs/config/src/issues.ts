import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';

import { replacementFor } from './replaced-keys.js';
import { isSecret, settingPaths } from './setting-paths.js';
import { inYaml } from './yaml-file.js';

/** One line for each thing that zod found wrong: path, what was found, what was expected. Unknown keys get their nearest known one. */
export function issueLines(issues: z.core.$ZodIssue[], input: unknown, schema: z.ZodType): string[] {
  const known = settingPaths(schema);
  const lines = issues.flatMap((issue) => {
    const path = dotted(issue.path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.flatMap((key) => unknownKey([...issue.path, key], input, known));
    }
    const replaced = replacementFor(path);
    if (replaced !== null) return [`${path}: ${replaced}`];
    // A bad name in a map: the message is that of the name's pattern, the path ends in the name.
    if (issue.code === 'invalid_key')
      return [`${path}: not ${issue.issues[0]?.message ?? 'a name that is allowed here'}`];
    const assigned = assignments(valueAt(input, issue.path));
    if (assigned.length > 0 && issue.code === 'invalid_type' && issue.expected === 'object') {
      return assigned.map((key) => `${path}.${key}: found ${key}=…, expected YAML: ${inYaml(`${path}.${key}`)}`);
    }
    return [`${path}: found ${quoted(valueAt(input, issue.path), issue.path)}, expected ${issue.message}`];
  });
  return [...new Set(lines)];
}

/** The keys of a text such as `host=localhost port=6379`, where a mapping belongs. The values may be secrets. */
function assignments(value: unknown): string[] {
  return typeof value === 'string'
    ? Array.from(value.matchAll(/(?:^|\s)([A-Za-z_][\w.-]*)\s*=/g), ([, key]) => key!)
    : [];
}

/** A whole section of a replaced system gets a line for each of its keys. */
function unknownKey(path: PropertyKey[], input: unknown, known: readonly string[]): string[] {
  const written = dotted(path);
  const replaced = replacementFor(written);
  if (replaced !== null) return [`${written}: ${replaced}`];
  const inner = Object.keys((valueAt(input, path) as object | null | undefined) ?? {});
  const moved = inner.filter((key) => replacementFor(`${written}.${key}`) !== null);
  if (moved.length > 0) return moved.map((key) => `${written}.${key}: ${replacementFor(`${written}.${key}`)}`);
  if (path.length === 1 && known.includes(written)) return [`${written}: found one key, expected ${inYaml(written)}`];
  return [`${written}: unknown key; the nearest known key is ${nearest(path, known)}`];
}

/** The same key elsewhere before one beside it that looks alike, and that before anything else. */
function nearest(path: PropertyKey[], known: readonly string[]): string {
  const section = dotted(path.slice(0, -1));
  const key = String(path.at(-1));
  let best = { path: '', cost: Infinity };
  for (const candidate of known) {
    const [itsSection, itsKey] = split(candidate);
    const beside = path.length === 1 ? itsSection === '' : patternOf(itsSection).test(section);
    // The names under `redis:` are those of the guide; where both are meant, ours is the better advice.
    const ofGuide = /^redis(\.|$)/.test(itsSection) ? itsSection.split('.').length : 0;
    const cost = 2 * distance(key, itsKey) + (beside ? 0 : 3 + ofGuide);
    if (cost < best.cost) best = { path: beside && path.length > 1 ? `${section}.${itsKey}` : candidate, cost };
  }
  return best.path;
}

/** `tenants.<name>.limits` fits any tenant, `auth.keys[]` any item. */
function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.[\]]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/<\w+>/g, '[^.]+').replace('\\[\\]', '\\[\\d+\\]')}$`);
}

function split(path: string): [section: string, key: string] {
  const at = path.lastIndexOf('.');
  return [path.slice(0, Math.max(at, 0)), path.slice(at + 1)];
}

/** `auth.keys[0].hash`; the whole input is called that. */
export function dotted(path: readonly PropertyKey[]): string {
  const written = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return written.replace(/^\./, '') || 'the file';
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | undefined)?.[step], input);
}

function quoted(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined || value === null) return 'nothing';
  const isText = typeof value === 'string';
  if (isSecret(String(path.at(-1)))) return isText ? 'a text that is not shown' : `a ${typeof value}`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const written = JSON.stringify(value);
  return written.length > 80 ? `${written.slice(0, 77)}…"` : written;
}
