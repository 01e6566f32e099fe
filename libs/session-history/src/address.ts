import { InvalidInputError } from '#session-core';

/** Where history is kept: a SQLite file, PostgreSQL, or this process's memory. */
export type HistoryAddress = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string } | { kind: 'memory' };

/**
 * Reads a database URL: `sqlite://data/history.db` (from the working directory), `sqlite:///var/lib/history.db`, `file:…`, a path,
 * `postgres://…`, `postgresql://…`, `memory:`, `sqlite::memory:`. Throws InvalidInputError for another scheme.
 */
export function historyAddress(url: string): HistoryAddress {
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgres', url };
  if (/^(memory:|:memory:|sqlite:(\/\/)?:memory:)$/.test(url)) return { kind: 'memory' };
  const path = url.replace(/^(sqlite|file):(\/\/)?/, '').replace(/\?.*$/, '');
  if (path === '' || /^[a-z][a-z0-9+.-]+:/i.test(path)) {
    throw new InvalidInputError('database_url', 'must be sqlite://<file>, postgres://…, or memory:');
  }
  return { kind: 'sqlite', path: decoded(path) };
}

function decoded(path: string): string {
  try {
    const text = decodeURIComponent(path);
    if (!text.includes('\0')) return text;
  } catch {
    // refused below
  }
  throw new InvalidInputError('database_url', 'must have every % of the path as %25, and no NUL in it');
}
