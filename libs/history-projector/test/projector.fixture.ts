import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { loadConfig, type BerthConfig } from '#config';
import { createApp, createLogger } from '#service-kit';

import { HistoryProjectorModule } from '../src/history-projector.module.js';

@Module({ imports: [HistoryProjectorModule] })
class ProjectorApp {}

export interface ProjectorOptions {
  /** Over the configuration that an empty working directory and no environment give, without history. */
  config?: Partial<BerthConfig>;
  /** Where log lines go. */
  log?: string[];
}

/** An app that does nothing but project, in this process, on the given Redis. */
export async function startProjector(
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
