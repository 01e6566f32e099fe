import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type * as Jest from '@jest/globals';
import type { Redis } from 'ioredis';

import { makeAuthority, type TestAuthority, type TestCertificate } from './certificates.js';
import { startRedis, type RedisServer } from './redis-server.js';

// The globals that Jest sets, see tools.ts.
declare const afterAll: typeof Jest.afterAll;
declare const afterEach: typeof Jest.afterEach;
declare const beforeAll: typeof Jest.beforeAll;
declare const beforeEach: typeof Jest.beforeEach;

export interface OnRedis {
  readonly redis: RedisServer;
  /** A connection of the suite to it. */
  readonly client: Redis;
}

/** For a suite: a Redis of its own, empty for each test. `begin` is called once, before the first. */
export function onRedis(begin: (suite: OnRedis) => void): void {
  let redis: RedisServer | undefined;
  let client: Redis | undefined;
  beforeAll(async () => {
    redis = await startRedis();
    client = redis.client();
    begin({ redis, client });
  });
  beforeEach(() => client?.flushall());
  afterAll(() => redis?.stop());
}

/** For a suite: an empty folder for each test, removed with all that is in it. */
export function onFolder(begin: (folder: string) => void): void {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-test-'));
    begin(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
}

export interface OnAuthorities {
  /** A folder for all tests of the suite, with the files of all of these. */
  readonly dir: string;
  readonly authority: TestAuthority;
  /** One that nobody trusts. */
  readonly other: TestAuthority;
  /** Of the first authority. */
  readonly server: TestCertificate;
}

/** For a suite: two authorities and the certificate of a server, in a folder that is removed at the end. */
export function onAuthorities(begin: (suite: OnAuthorities) => void): void {
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-test-'));
    const [authority, other] = await Promise.all([makeAuthority(dir, 'authority'), makeAuthority(dir, 'other')]);
    begin({ dir, authority, other, server: await authority.issue('server') });
  });
  afterAll(async () => {
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });
}

/** For a suite: a list for what a test starts; after the test all of it is ended, and the list is empty again. */
export function endedAfterEach<T>(end: (started: T) => unknown): T[] {
  const started: T[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map(end));
  });
  return started;
}
