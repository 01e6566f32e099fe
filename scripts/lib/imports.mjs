import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Which libraries a library may import; one that stands below another may name it, never the other way. Apps import every library but
 * `testing` and `client`, and no app imports another one. Tests may import these two as well.
 *
 * @type {Record<string, readonly string[]>}
 */
const MAY_IMPORT = {
  basics: [],
  testing: [],
  client: [],
  'client-python': [],
  'event-streams': ['basics'],
  'session-core': ['basics'],
  config: ['basics', 'session-core'],
  'session-history': ['basics', 'session-core'],
  'service-kit': ['basics', 'session-core', 'config'],
  'history-projector': ['basics', 'event-streams', 'session-core', 'config', 'session-history', 'service-kit'],
  'session-wire': ['basics', 'session-core', 'config', 'service-kit'],
  'session-inbox': ['basics', 'session-core', 'config', 'service-kit', 'session-wire'],
};
const LIBRARIES = Object.keys(MAY_IMPORT);
/** What no app has a use for: what tests start, and what servers outside of Berth install. */
const FOR_TESTS = ['testing', 'client'];

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'(#[\w-]+|\.{1,2}\/[^']+)'/g;

/**
 * What is wrong with the imports of these files, a line each.
 *
 * @param {Iterable<readonly [path: string, text: string]>} files paths from the root of the repository
 * @returns {string[]}
 */
export function wrongImports(files) {
  const problems = LIBRARIES.flatMap((library, at) =>
    importsOf(library)
      .filter((other) => !LIBRARIES.slice(0, at).includes(other))
      .map((other) => `scripts/lib/imports.mjs: ${library} may import ${other} only if that stands above it`),
  );
  for (const [path, text] of files) {
    const home = homeOf(path);
    if (home === null) continue;
    if (home.startsWith('libs/') && !LIBRARIES.includes(nameOf(home))) {
      problems.push(`${path}: ${home} has no line in scripts/lib/imports.mjs that says what it may import`);
      continue;
    }
    for (const [, specifier = ''] of text.matchAll(IMPORT)) {
      const problem = specifier.startsWith('#') ? byName(path, home, specifier) : byPath(path, home, specifier);
      if (problem !== null) problems.push(`${path}: ${problem}`);
    }
  }
  return problems;
}

/** Every source file of apps and libraries with its text. */
export function* sourceFiles() {
  for (const root of ['apps', 'libs']) {
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && /\.(ts|mjs)$/.test(path)) yield /** @type {const} */ ([path, readFileSync(path, 'utf8')]);
    }
  }
}

/**
 * @param {string} path
 * @param {string} home
 * @param {string} specifier
 * @returns {string | null}
 */
function byName(path, home, specifier) {
  const library = specifier.slice(1);
  const own = home.startsWith('libs/') ? nameOf(home) : null;
  if (library === own && !isTest(path))
    return `imports itself as ${specifier}; own files are imported by relative paths`;
  const allowed = own === null ? LIBRARIES.filter((name) => !FOR_TESTS.includes(name)) : [own, ...importsOf(own)];
  if (allowed.includes(library) || (isTest(path) && FOR_TESTS.includes(library))) return null;
  return `imports ${specifier}; ${home} may import ${allowed.filter((name) => name !== own).join(', ') || 'no library'}`;
}

/**
 * @param {string} path
 * @param {string} home
 * @param {string} specifier
 * @returns {string | null}
 */
function byPath(path, home, specifier) {
  const target = join(dirname(path), specifier);
  const other = homeOf(target);
  if (other === home || (isTest(path) && isTest(target))) return null;
  return `imports ${specifier}; a library is imported by its name, and an app by nobody`;
}

/** @param {string} library */
function importsOf(library) {
  return MAY_IMPORT[library] ?? [];
}

/** @param {string} path */
function homeOf(path) {
  return /^(?:apps|libs)\/[\w-]+/.exec(path)?.[0] ?? null;
}

/** @param {string} home */
function nameOf(home) {
  return home.slice('libs/'.length);
}

/** @param {string} path */
function isTest(path) {
  return /\.(spec|fixture)\.\w+$/.test(path) || path.includes('/test/');
}
