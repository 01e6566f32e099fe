import { join } from 'node:path';

import { DAY_MS, HOUR_MS } from '#basics';

import type { HistoryConfig } from './berth.config.js';
import type { EnvironmentSettings } from './environment.config.js';
import type { FileSettings } from './schema/file.schema.js';

type Storage = FileSettings['history']['storage'];

const EXPECTED = 'sqlite://<file>, postgres://user:password@host/database or memory:';
const EXPECTED_POSTGRES =
  'postgres://user:password@host[:port]/database, special characters of user and password as %xx';

/** Where history is kept and for how long; null where none is. The URL decides over a storage that nobody named. */
export function resolveHistory(
  { history }: FileSettings,
  written: Record<string, unknown>,
  env: EnvironmentSettings,
  dataDir: string,
  problems: string[],
  warnings: string[],
): HistoryConfig | null {
  if (!history.enabled) return null;
  const isStorageSet = (written['history'] as { storage?: unknown } | undefined)?.storage !== undefined;
  const fromEnvironment = env.BERTH_DATABASE_URL !== undefined;
  const path = fromEnvironment ? 'BERTH_DATABASE_URL' : 'history.database_url';
  const url = fromEnvironment ? env.BERTH_DATABASE_URL : history.database_url;
  const ofUrl = url === undefined ? undefined : storageOf(url, path, problems);
  const storage = isStorageSet ? history.storage : (ofUrl ?? history.storage);
  if (storage === 'postgres' && url === undefined) {
    problems.push(`history.database_url: is missing, history.storage "postgres" needs it: ${EXPECTED_POSTGRES}`);
  } else if (ofUrl && ofUrl !== storage && storage === 'memory' && !fromEnvironment) {
    warnings.push('history.database_url: without effect, history.storage is "memory"');
  } else if (ofUrl && ofUrl !== storage) {
    problems.push(`${path}: names ${ofUrl}, but history.storage is "${storage}"`);
  }
  if (history.stats_window_hours > history.retention_days * 24) {
    problems.push(
      `history.stats_window_hours: found ${history.stats_window_hours}, expected at most the ${history.retention_days * 24} hours of history.retention_days`,
    );
  }
  return {
    url: storage === 'memory' ? 'memory:' : (url ?? fileUrl(join(dataDir, 'history.db'))),
    batchSize: history.batch_size,
    batchIntervalMs: history.batch_interval_ms,
    retentionMs: history.retention_days * DAY_MS,
    cleanupIntervalMs: history.cleanup_interval_hours * HOUR_MS,
    statsWindowHours: history.stats_window_hours,
    erase: history.erase,
  };
}

/** What a URL names; null, with a problem that quotes nothing secret, where that is nothing that history can be kept in. */
function storageOf(url: string, path: string, problems: string[]): Storage | null {
  if (/^(memory:|:memory:|sqlite:(\/\/)?:memory:)$/.test(url)) return 'memory';
  if (/^postgres(ql)?:\/\//.test(url)) {
    if (isPostgresUrl(url)) return 'postgres';
    problems.push(`${path}: found a text that is not shown, expected ${EXPECTED_POSTGRES}`);
    return null;
  }
  const file = url.replace(/^(sqlite|file):(\/\/)?/, '').replace(/\?.*$/, '');
  const scheme = /^[a-z][a-z0-9+.-]+:/i.exec(file)?.[0];
  if (scheme !== undefined || file === '' || file.startsWith(':')) {
    problems.push(`${path}: found ${scheme === undefined ? 'no file' : `${scheme}…`}, expected ${EXPECTED}`);
    return null;
  }
  if (isEncoded(file)) return 'sqlite';
  problems.push(`${path}: found a % that begins no %xx, expected %25 in its place`);
  return null;
}

/** The driver would throw an error that holds the URL. */
function isPostgresUrl(url: string): boolean {
  try {
    const { username, password, pathname } = new URL(url.replace('@/', '@localhost/'));
    return [username, password, pathname].every(isEncoded);
  } catch {
    return false;
  }
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** A path, whatever is in it, as a URL. */
function fileUrl(path: string): string {
  return `sqlite://${encodeURI(path).replaceAll('?', '%3F')}`;
}
