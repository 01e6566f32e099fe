import { randomUUID } from 'node:crypto';

import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig } from '#config';
import type { StreamsServer } from '#event-streams';
import {
  CONFIG,
  consumerReports,
  LOGGER,
  REDIS,
  TenantRegistryService,
  type EndsFirst,
  type Logger,
} from '#service-kit';
import { Books, historyKeys, Lease, outboxOf, StoreUnavailableError, type StoreClient } from '#session-core';

import { History } from '../history.service.js';
import { HistoryMetrics } from '../metrics/history.metrics.js';
import { HistoryWriter } from './history-writer.js';
import { endLost } from './lost-ends.js';
import { readOpenTraffic } from './open-traffic.js';
import { readOutbox } from './outbox-reader.js';

/** So long after a crash of the one that projects another one begins. */
const LEASE_MS = 5_000;
const ASK_EVERY_MS = 1_250;

interface Projection {
  reader: StreamsServer;
  writer: HistoryWriter;
  /** Ends what reads the books beside. */
  ending: AbortController;
  beside: Promise<unknown>;
}

/**
 * Brings the outbox into the history database, as long as this process holds the lease. An entry is acknowledged when its transaction is
 * committed, and applying it again changes nothing: who dies in between, or projects beside another one, loses and doubles nothing.
 */
@Injectable()
export class Projector implements OnApplicationBootstrap, BeforeApplicationShutdown, EndsFirst {
  readonly endsFirst = true;
  private readonly lease: Lease;
  private readonly stopping = new AbortController();
  private projection: Projection | null = null;
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(REDIS) private readonly client: StoreClient,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly history: History,
    private readonly metrics: HistoryMetrics,
    private readonly books: Books,
    private readonly registry: TenantRegistryService,
  ) {
    const deadlineMs = config.redis.deadlineMs;
    this.lease = new Lease({ client, key: historyKeys.lease, holder: randomUUID(), deadlineMs });
  }

  onApplicationBootstrap(): void {
    if (this.history.settings !== null) this.running = this.run();
  }

  /** What is read is written before this resolves, if the database takes it. By then every other writer has stopped. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.end();
    if (this.history.writer === 'here') {
      await this.lease.take(0).catch((error: unknown) => this.logger.debug({ err: error }, 'Lease not given back'));
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.turn();
      await pause(ASK_EVERY_MS, signal);
    }
  }

  /** While Redis is away it stays as it is: without Redis nobody else begins. */
  private async turn(): Promise<void> {
    try {
      if (!Object.keys(this.config.tenants).every((name) => this.registry.isOpen(name))) return;
      const own = await this.lease.take(LEASE_MS);
      if (own && this.projection === null) this.begin();
      if (!own) await this.end();
      this.history.writer = own ? 'here' : 'elsewhere';
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  private begin(): void {
    const { books, config, history, logger, metrics } = this;
    const settings = history.settings!;
    const { batchSize, batchIntervalMs } = settings;
    const onWritten = metrics.written.bind(metrics);
    const writer = new HistoryWriter({ history, batchSize, batchIntervalMs, onWritten, logger });
    const tenants = Object.values(config.tenants);
    const streams = new Map(tenants.flatMap(outboxOf).map(({ stream, shard }) => [stream, shard]));
    const isTenant = (name: string) => Object.hasOwn(config.tenants, name);
    const observer = consumerReports(logger, this.metrics, {
      lost: 'Events lost: they were trimmed before history had them',
      recreated: 'History had lost its consumer group; reading all that is there again',
      unreadable: 'Outbox not readable; it will be tried again and again',
      readable: 'Outbox readable again',
    });
    const reader = readOutbox({ redis: config.redis, settings, streams, writer, isTenant, observer });
    const ending = new AbortController();
    const { signal } = ending;
    const beside = Promise.all([
      readOpenTraffic({ books, tenants, writer, logger, signal }),
      endLost({ history, books, client: this.client, tenants, writer, logger, signal }),
    ]);
    this.projection = { reader, writer, ending, beside };
    logger.info({ streams: streams.size }, 'Writing history');
  }

  private async end(): Promise<void> {
    if (this.projection === null) return;
    const { reader, writer, ending, beside } = this.projection;
    this.projection = null;
    ending.abort();
    writer.stop();
    await Promise.all([reader.close(), beside]);
    if (!this.stopping.signal.aborted) this.logger.warn('Another limits-admin writes history now');
  }
}
