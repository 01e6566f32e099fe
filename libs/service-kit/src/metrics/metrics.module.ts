import { Controller, Get, Global, Module, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { Needs } from '../auth/rights.guard.js';
import { MetricsPort } from './metrics-port.js';
import { Operation, Tag } from '../operations/operation.js';
import { Metrics } from './metrics.service.js';

@Controller()
@Tag('process')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get('metrics')
  @Operation({
    summary: 'Shows the metrics, for Prometheus',
    answers: { 200: { media: ['text/plain'], says: 'The text format of Prometheus' } },
    problems: [],
  })
  @Needs('metrics.read')
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { registry } = this.metrics;
    void reply.header('Content-Type', registry.contentType);
    return registry.metrics();
  }
}

/** `GET /metrics`, and `Metrics` to declare them with. `MetricsPort` has them without a key. */
@Global()
@Module({ controllers: [MetricsController], providers: [Metrics, MetricsPort], exports: [Metrics, MetricsPort] })
export class MetricsModule {}
