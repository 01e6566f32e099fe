import { Controller, Get, Global, Inject, Module, Res, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Cluster, Redis } from 'ioredis';

import { Open } from '../auth/roles.guard.js';
import { REDIS } from '../tokens.js';
import { ReadinessChecks, type Readiness } from './readiness.js';
import { redisChecks } from './redis-checks.js';

@Controller('health')
@Open()
export class HealthController {
  constructor(private readonly readiness: ReadinessChecks) {}

  /** 200 as long as the event loop turns. */
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 when this process can do its work, also `degraded`; 503 when it cannot. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.readiness.run();
    void reply.code(readiness.status === 'failed' ? 503 : 200);
    return readiness;
  }
}

/** `/health/live` and `/health/ready`, with the checks of Redis; other modules add theirs to `ReadinessChecks`. */
@Global()
@Module({ controllers: [HealthController], providers: [ReadinessChecks], exports: [ReadinessChecks] })
export class HealthModule implements OnModuleInit {
  constructor(
    private readonly readiness: ReadinessChecks,
    @Inject(REDIS) private readonly redis: Redis | Cluster,
  ) {}

  onModuleInit(): void {
    for (const check of redisChecks(this.redis)) this.readiness.add(check);
  }
}
