import { Inject, Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

import { asStoreError, refusedKey, StoreUnavailableError } from '#session-core';

import type { Logger } from '../logging/logger.js';
import { LOGGER } from '../tokens.js';

/** A value of a metric with labels, under these ones; a label that is left out is not shown. */
export type Sample<L extends string> = readonly [labels: Partial<Record<L, string>>, value: number];

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
    this.failures = this.counter(
      'berth_metric_read_failures_total',
      'Readings of a metric, or of what one tenant adds to it, that failed and left it absent.',
      ['metric'],
    );
  }

  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** A counter that is read at each scrape, with all its labels. */
  countersRead<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => Iterable<Sample<L>>,
  ): void {
    const collect = (counter: Counter<L>) => {
      counter.reset();
      for (const [labels, value] of read()) counter.inc(labels, value);
    };
    this.registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          collect(this);
        },
      }),
    );
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
  }

  /**
   * A gauge that is read at each scrape; it is absent where that says null. One whose reading fails is absent from that scrape, and the others are
   * there: no number is better than a wrong one.
   */
  gauge(name: string, help: string, read: () => Promise<number | null> | number | null): void {
    const collect = async (gauge: Gauge) => {
      const value = await this.reading(name, async () => await read());
      if (value === null) gauge.remove();
      else gauge.set(value);
    };
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        async collect() {
          await collect(this);
        },
      }),
    );
  }

  /** As `gauge`, with all its labels. */
  gauges<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => Promise<Iterable<Sample<L>>>,
  ): void {
    const collect = async (gauge: Gauge<L>) => {
      const samples = await this.reading(name, read);
      gauge.reset();
      for (const [labels, value] of samples ?? []) gauge.set(labels, value);
    };
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        async collect() {
          await collect(this);
        },
      }),
    );
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

  /** Null where it cannot be read. */
  private async reading<T>(metric: string, read: () => Promise<T>): Promise<T | null> {
    const before = this.failed.get(metric);
    try {
      const value = await read();
      if (this.failed.get(metric) === before) this.readable(metric);
      return value;
    } catch (error) {
      this.unreadable(metric, error);
      return null;
    }
  }

  private readable(metric: string): void {
    const warned = [...this.warnedAtMs.keys()].filter((what) => what.startsWith(`${metric} `));
    for (const what of warned) this.warnedAtMs.delete(what);
    if (warned.length > 0) this.logger.info({ metric }, 'Metric can be read again');
  }
}
