import { Inject, Injectable } from '@nestjs/common';
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type CounterConfiguration,
  type GaugeConfiguration,
  type HistogramConfiguration,
} from 'prom-client';

import { StoreUnavailableError } from '#session-core';

import type { Logger } from '../logging/logger.js';
import { LOGGER } from '../tokens.js';

type Declaration<C> = Omit<C, 'registers'>;

/** The metrics of this process, in a registry of its own, with the defaults of the process. Declare each metric once, in a `*.metrics.ts`. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly unreadable = new Set<string>();

  constructor(@Inject(LOGGER) private readonly logger: Logger) {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string>(declaration: Declaration<CounterConfiguration<L>>): Counter<L> {
    return new Counter({ ...declaration, registers: [this.registry] });
  }

  /** One whose `collect` fails is absent from that scrape, and the others are there: no number is better than a wrong one. */
  gauge<L extends string>(declaration: Declaration<GaugeConfiguration<L>>): Gauge<L> {
    const { name, collect } = declaration;
    if (collect === undefined) return new Gauge({ ...declaration, registers: [this.registry] });
    const read = async (gauge: Gauge<L>) => {
      try {
        await collect.call(gauge);
        if (this.unreadable.delete(name)) this.logger.info({ metric: name }, 'Metric can be read again');
      } catch (error) {
        gauge.reset();
        // Of a gauge without labels `reset` makes a 0.
        if ((declaration.labelNames ?? []).length === 0) gauge.remove();
        this.cannotRead(name, error);
      }
    };
    return new Gauge({
      ...declaration,
      registers: [this.registry],
      async collect() {
        await read(this);
      },
    });
  }

  histogram<L extends string>(declaration: Declaration<HistogramConfiguration<L>>): Histogram<L> {
    return new Histogram({ ...declaration, registers: [this.registry] });
  }

  /** Once, until it can be read again. That Redis is away is logged by its connection. */
  private cannotRead(metric: string, error: unknown): void {
    const isAway = error instanceof StoreUnavailableError && error.isAway;
    if (isAway || this.unreadable.has(metric)) return;
    this.unreadable.add(metric);
    this.logger.warn({ metric, err: error }, 'Metric cannot be read; it is absent until it can');
  }
}
