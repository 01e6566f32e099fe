import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { onFolder } from '#testing';

import type { Environment } from './environment.config.js';
import { loadConfig } from './load-config.js';

let cwd: string;

onFolder((folder) => (cwd = folder));

function load(yaml = '', env: Environment = {}) {
  writeFileSync(join(cwd, 'berth.yaml'), yaml);
  return loadConfig({ env, cwd });
}

const urlOf = (yaml?: string, env?: Environment) => load(yaml, env).history?.url;
const refusal = (yaml: string, env: Environment = {}): string => {
  try {
    load(yaml, env);
  } catch (error) {
    return String(error);
  }
  return 'taken';
};

describe('history', () => {
  it('is kept unless switched off, for 90 days, in a file of the data directory', () => {
    expect(load().history).toEqual({
      url: `sqlite://${cwd}/.berth/history.db`,
      batchSize: 100,
      batchIntervalMs: 1_000,
      retentionMs: 90 * 86_400_000,
      cleanupIntervalMs: 86_400_000,
      statsWindowHours: 24,
      erase: 'pseudonymise',
    });
    expect(load('history: { enabled: false, database_url: mysql://x }').history).toBeNull();
  });

  it.each([
    ['data', 'data/history.db'],
    ['a b/100%/#1', 'a b/100%/#1/history.db'],
    ['what?', 'what?/history.db'],
    ['%3F%zz', '%3F%zz/history.db'],
    ['Überfahrt', 'Überfahrt/history.db'],
  ])('in the data directory %j is a URL of that file', (dataDir, file) => {
    const url = urlOf('', { BERTH_DATA_DIR: dataDir }) ?? '';
    expect(url).not.toContain('?');
    expect(decodeURIComponent(url)).toBe(`sqlite://${join(cwd, file)}`);
  });

  it('is in an absolute data directory wherever the process runs', () => {
    expect(urlOf('', { BERTH_DATA_DIR: '/var/lib/berth' })).toBe('sqlite:///var/lib/berth/history.db');
  });

  it.each([
    ['sqlite://data/sessions.db?mode=rwc', 'sqlite://data/sessions.db?mode=rwc'],
    ['postgres://berth:p%23w@db/berth', 'postgres://berth:p%23w@db/berth'],
    ['postgresql://db/berth?host=/run/postgresql', 'postgresql://db/berth?host=/run/postgresql'],
    ['postgres://berth@/berth?host=/run/postgresql', 'postgres://berth@/berth?host=/run/postgresql'],
    ['memory:', 'memory:'],
    ['sqlite::memory:', 'memory:'],
  ])('is where the URL %s says, whatever the storage would be by default', (url, taken) => {
    expect(urlOf(`history: { database_url: "${url}" }`)).toBe(taken);
    expect(urlOf('', { BERTH_DATABASE_URL: url })).toBe(taken);
  });

  it('takes the URL of the environment before that of the file', () => {
    const yaml = 'history: { database_url: postgres://db/one }';
    expect(urlOf(yaml, { BERTH_DATABASE_URL: 'sqlite://two.db' })).toBe('sqlite://two.db');
    expect(urlOf(yaml, { BERTH_DATABASE_URL: '' })).toBe('postgres://db/one');
  });

  it('in memory leaves the URL of the file out, and says so', () => {
    const { history, warnings } = load('history: { storage: memory, database_url: "sqlite://data/sessions.db" }');
    expect(history?.url).toBe('memory:');
    expect(warnings).toEqual(['history.database_url: without effect, history.storage is "memory"']);
    expect(load('history: { storage: memory }').warnings).toEqual([]);
  });

  it.each([
    ['{ storage: postgres }', {}, 'history.database_url: is missing'],
    ['{ storage: sqlite, database_url: "postgres://db/x" }', {}, 'history.database_url: names postgres'],
    ['{ storage: postgres, database_url: "sqlite://x.db" }', {}, 'history.database_url: names sqlite'],
    ['{ storage: sqlite, database_url: "memory:" }', {}, 'history.database_url: names memory'],
    ['{ storage: sqlite }', { BERTH_DATABASE_URL: 'postgres://db/x' }, 'BERTH_DATABASE_URL: names postgres'],
    ['{ storage: memory }', { BERTH_DATABASE_URL: 'sqlite://x.db' }, 'BERTH_DATABASE_URL: names sqlite'],
  ])('%s with %j is a contradiction', (history, env, problem) => {
    expect(refusal(`history: ${history}`, env)).toContain(problem);
  });

  it.each([
    'mysql://u:hunter2@db/x',
    'mariadb://u:hunter2@db/x',
    'Postgres://u:hunter2@db/x',
    'jdbc:sqlite:x',
    'file::memory:',
  ])('at %s is refused with what to write in its place', (url) => {
    expect(refusal('', { BERTH_DATABASE_URL: url })).toContain(
      'expected sqlite://<file>, postgres://user:password@host/database or memory:',
    );
  });

  it.each(['sqlite://', 'sqlite:?mode=rwc', 'memory:x', 'sqlite://100%.db', 'postgres://db:99999/x'])(
    'at %s is refused at the start, not when it is opened',
    (url) => {
      expect(refusal('', { BERTH_DATABASE_URL: url })).toContain('  BERTH_DATABASE_URL: found ');
    },
  );

  it.each([
    'postgres://u:hunter2#@db/x',
    'postgres://u:hunter2/@db/x',
    'postgres://u:hunter2%@db/x',
    'postgres://u:hunter2@db:x/x',
    'mysql://u:hunter2@db/x',
    'berth:hunter2@db/x',
  ])('shows no password of %s when it is refused', (url) => {
    const message = refusal('', { BERTH_DATABASE_URL: url });
    expect(message).toContain('BERTH_DATABASE_URL: found');
    expect(message).not.toContain('hunter2');
  });

  it('has a window of statistics that it keeps', () => {
    expect(refusal('history: { retention_days: 1, stats_window_hours: 25 }')).toContain(
      'expected at most the 24 hours',
    );
    expect(load('history: { retention_days: 1, stats_window_hours: 24 }').history?.statsWindowHours).toBe(24);
  });
});

describe('the metric names of a replaced system', () => {
  it('are counted from history, and refused without it', () => {
    expect(load('metrics: { compat: rustsocks }').metrics).toEqual({ compat: 'rustsocks', topUsers: 50 });
    expect(refusal('metrics: { compat: rustsocks }\nhistory: { enabled: false }')).toContain(
      'metrics.compat: found "rustsocks", which is counted from history',
    );
  });
});
