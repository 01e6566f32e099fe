import { beforeEach } from '@jest/globals';
import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { DAY_MS } from '#basics';
import { loadConfig, type BerthConfig, type HistoryConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { endedAfterEach, onFolder, onRedis, type OnRedis } from '#testing';

import { HistoryProjectorModule } from '../src/history-projector.module.js';

@Module({ imports: [HistoryProjectorModule] })
class ProjectorApp {}

export interface ProjectorOptions {
  /** Over the configuration that an empty working directory and no environment give, without history. */
  config?: Partial<BerthConfig>;
  /** Where log lines go. */
  log?: string[];
}

export interface ProjectorSuite extends OnRedis {
  /** An empty folder. */
  readonly dir: string;
  /** Starts an app that projects; it is closed when the test ends, unless the test takes it out of `running`. */
  readonly start: (options?: ProjectorOptions) => Promise<NestFastifyApplication>;
  readonly running: NestFastifyApplication[];
}

/** Gives each test of a suite what `ProjectorSuite` says, on one Redis for all of them, emptied. */
export function forEachTest(begin: (suite: ProjectorSuite) => Promise<void> | void): void {
  let on: OnRedis;
  let dir: string;
  const running = endedAfterEach<NestFastifyApplication>((app) => app.close());
  onRedis((suite) => (on = suite));
  onFolder((folder) => (dir = folder));
  const start: ProjectorSuite['start'] = async (options) => {
    const app = await startProjector(on.redis.url, options);
    running.push(app);
    return app;
  };
  beforeEach(() => begin({ ...on, dir, start, running }));
}

/** Settings under which history is written at once and nothing is removed, but for what is given. */
export function historySettings(change: Partial<HistoryConfig> & { url: string }): HistoryConfig {
  return {
    batchSize: 100,
    batchIntervalMs: 20,
    retentionMs: 90 * DAY_MS,
    cleanupIntervalMs: 365 * DAY_MS,
    statsWindowHours: 24,
    erase: 'pseudonymise',
    ...change,
  };
}

/** An app that does nothing but project, in this process, on the given Redis. */
async function startProjector(
  redisUrl: string,
  { config, log = [] }: ProjectorOptions = {},
): Promise<NestFastifyApplication> {
  const loaded = loadConfig({ env: { BERTH_REDIS_URL: redisUrl }, cwd: '/' });
  // Where a test is not about the deadline, a busy machine must not make an outage of a late answer.
  const store = { ...loaded.store, decisionDeadlineMs: 10_000 };
  const whole = { ...loaded, store, redis: { ...loaded.redis, deadlineMs: 10_000 }, history: null, ...config };
  const logger = createLogger(whole, 'limits-admin', { write: (line) => void log.push(line) });
  return await createApp(ProjectorApp, { config: whole, logger });
}
