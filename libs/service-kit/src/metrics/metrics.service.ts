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

import { asStoreError, refusedKey, StoreUnavailableError } from '#session-core';

import type { Logger } from '../logging/logger.js';
import { LOGGER } from '../tokens.js';

type Declaration<C> = Omit<C, 'registers'>;

const WARN_EVERY_MS = 60_000;

/** The metrics of this process, in a registry of its own, with the defaults of the process. Declare each metric once, in a `*.metrics.ts`. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly failures: Counter<'metric'>;
  /** By metric: how often reading it failed. */
  private readonly failed = new Map<string, number>();
  /** By metric and tenant that cannot be read: when that was logged last. */
  private readonly warnedAtMs = new Map<string, number>();

  constructor(@Inject(LOGGER) private readonly logger: Logger) {
    collectDefaultMetrics({ register: this.registry });
    this.failures = this.counter({
      name: 'berth_metric_read_failures_total',
      help: 'Readings of a metric, or of what one tenant adds to it, that failed and left it absent.',
      labelNames: ['metric'],
    });
  }

  counter<L extends string>(declaration: Declaration<CounterConfiguration<L>>): Counter<L> {
    return new Counter({ ...declaration, registers: [this.registry] });
  }

  /** One whose `collect` fails is absent from that scrape, and the others are there: no number is better than a wrong one. */
  gauge<L extends string>(declaration: Declaration<GaugeConfiguration<L>>): Gauge<L> {
    const { name, collect } = declaration;
    if (collect === undefined) return new Gauge({ ...declaration, registers: [this.registry] });
    const read = async (gauge: Gauge<L>) => {
      const before = this.failed.get(name);
      try {
        await collect.call(gauge);
        if (this.failed.get(name) === before) this.readable(name);
      } catch (error) {
        gauge.reset();
        // Of a gauge without labels `reset` makes a 0.
        if ((declaration.labelNames ?? []).length === 0) gauge.remove();
        this.unreadable(name, error);
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

  /**
   * A metric, or what one tenant adds to it, cannot be read: counts it, and warns once a minute with the key that was refused. That Redis
   * is away is logged by its connection.
   */
  unreadable(metric: string, error: unknown, tenant?: string): void {
    this.failures.inc({ metric });
    this.failed.set(metric, (this.failed.get(metric) ?? 0) + 1);
    const err = asStoreError(error);
    if (err instanceof StoreUnavailableError && err.isAway) return;
    const what = `${metric} ${tenant ?? ''}`;
    const now = performance.now();
    if (now - (this.warnedAtMs.get(what) ?? -Infinity) < WARN_EVERY_MS) return;
    this.warnedAtMs.set(what, now);
    const fields = { metric, ...(tenant !== undefined && { tenant }), key: refusedKey(err), err };
    this.logger.warn(fields, 'Metric cannot be read; it is absent until it can');
  }

  private readable(metric: string): void {
    const warned = [...this.warnedAtMs.keys()].filter((what) => what.startsWith(`${metric} `));
    for (const what of warned) this.warnedAtMs.delete(what);
    if (warned.length > 0) this.logger.info({ metric }, 'Metric can be read again');
  }
}
