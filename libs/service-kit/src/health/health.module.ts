import {
  Controller,
  Get,
  Global,
  Inject,
  Module,
  Res,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Cluster, Redis } from 'ioredis';

import { z } from 'zod';

import { Open } from '../auth/rights.guard.js';
import { Operation, Tag } from '../operations/operation.js';
import { REDIS } from '../tokens.js';
import { memoryCheck } from './memory-check.js';
import { RedisMemory } from './redis-memory.js';
import { ReadinessChecks, type Readiness } from './readiness.js';

const LOOK_EVERY_MS = 1_000;

const checkAnswer = z.looseObject({ status: z.enum(['ok', 'degraded', 'failed']) });
const readinessAnswer = z.strictObject({
  status: z.enum(['ok', 'degraded', 'failed', 'draining']).describe('draining: it is about to stop'),
  checks: z.record(z.string(), checkAnswer).describe('What was looked at; the worst result is that of the whole'),
});

@Controller('health')
@Open()
@Tag('process')
export class HealthController {
  constructor(private readonly readiness: ReadinessChecks) {}

  /** 200 as long as the event loop turns. */
  @Get('live')
  @Operation({
    summary: 'Answers 200 while the process runs',
    answers: { 200: z.strictObject({ status: z.literal('ok') }) },
    problems: [],
  })
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 when this process can do its work, also `degraded`; 503 when it cannot, or is `draining`. Says what was found last, and looks at nothing itself. */
  @Get('ready')
  @Operation({
    summary: 'Answers whether the process can do its work',
    answers: { 200: readinessAnswer, 503: readinessAnswer },
    problems: ['misdirected-request'],
  })
  ready(@Res({ passthrough: true }) reply: FastifyReply): Readiness {
    const readiness = this.readiness.read();
    void reply.code(readiness.status === 'failed' || readiness.status === 'draining' ? 503 : 200);
    return readiness;
  }
}

/** `/health/live` and `/health/ready`; other modules add to `ReadinessChecks`, whose watched ones are looked at once a second. */
@Global()
@Module({
  controllers: [HealthController],
  providers: [ReadinessChecks, RedisMemory],
  exports: [ReadinessChecks, RedisMemory],
})
export class HealthModule implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly readiness: ReadinessChecks,
    @Inject(REDIS) redis: Redis | Cluster,
    memory: RedisMemory,
  ) {
    readiness.watch(memoryCheck(redis, memory));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.readiness.look();
    this.timer = setInterval(() => void this.readiness.look(), LOOK_EVERY_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }
}
