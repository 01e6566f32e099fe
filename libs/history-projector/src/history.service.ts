import { setTimeout as elapsed } from 'node:timers/promises';

import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';

import { BackOff, pause } from '#basics';
import type { BerthConfig, HistoryConfig } from '#config';
import { CONFIG, LOGGER, ProblemException, type Logger } from '#service-kit';
import type { TenantRef } from '#session-core';
import { HistoryDatabase, HistoryUnavailableError, type HistoryOptions } from '#session-history';

import { holdingsOf, lastHoldings, missingIn, unknownHoldings, type Holdings } from './missing.js';

const RETRY = { firstMs: 200, maxMs: 5_000 };
const LOOK_EVERY_MS = 1_000;
/** Of so many looks one also asks how much there is. */
const HOLDINGS_EVERY = 10;

type HowToOpen = Pick<HistoryOptions, 'suspect' | 'lostLog'>;

/**
 * The database of history, open for as long as this process runs: opened in the background where it is away at the start, and opened anew
 * where it was found damaged.
 */
@Injectable()
export class History implements OnModuleInit, OnApplicationShutdown {
  /** Null where none is kept. */
  readonly settings: HistoryConfig | null;
  /** Which process writes: this one, another one, or for all that this one knows nobody. */
  writer: 'here' | 'elsewhere' | 'unknown' = 'unknown';
  /** Why it could not be opened, or written, when that was tried last; null if it could. */
  trouble: HistoryUnavailableError | null = null;
  /** When the database was last found to lack what it had held, milliseconds; null for never since this process started. */
  lackingSinceMs: number | null = null;
  private open: HistoryDatabase | null = null;
  private opening: Promise<void> = Promise.resolve();
  private watching: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private readonly tenants: readonly TenantRef[];
  /** What the database held when it was last looked at. */
  private holdings: Holdings = new Map();

  constructor(
    @Inject(CONFIG) { history, tenants }: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.settings = history;
    this.tenants = Object.values(tenants);
  }

  /** Waits for the first attempt alone: a database that is away keeps nobody from starting. */
  async onModuleInit(): Promise<void> {
    if (this.settings === null) return;
    if (!(await this.tryToOpen({}))) this.opening = this.openUntilStopped({});
    this.watching = this.watch();
  }

  /** After everything that may still write. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    const closing = Promise.all([this.watching, this.opening]).then(() => this.open?.close());
    await Promise.race([closing, elapsed(2_000, undefined, { ref: false })]);
    this.open = null;
  }

  /** For the writer. Throws HistoryUnavailableError while it could not be opened. */
  get database(): HistoryDatabase {
    if (this.open !== null) return this.open;
    throw this.trouble ?? new HistoryUnavailableError('away', { cause: new Error('it is not opened yet') });
  }

  /**
   * For who asks. Throws HistoryUnavailableError while it could not be opened, `not-found` where no history is kept, and
   * `history-unavailable` where another process writes it where this one cannot read it.
   */
  get readable(): HistoryDatabase {
    if (this.settings === null) {
      throw new ProblemException('not-found', 'No history is kept: history.enabled is false');
    }
    const { database } = this;
    if (this.writer === 'elsewhere' && database.kind !== 'postgres') {
      throw new ProblemException(
        'history-unavailable',
        `Another limits-admin writes history, into ${database.kind} of its own: ask that one, or set history.storage to postgres`,
      );
    }
    return database;
  }

  /** The database was found damaged, or to be another one: it is closed, and what stands in its place is opened, or a new one begun. */
  async reopen(): Promise<void> {
    const left = this.open;
    if (left === null) return this.opening;
    this.open = null;
    this.opening = this.change(left);
    return this.opening;
  }

  private async change(left: HistoryDatabase): Promise<void> {
    this.holdings = await lastHoldings(left, this.tenants, this.holdings);
    const lostLog = left.hasLostLog;
    await left.close().catch((error: unknown) => this.logger.debug({ err: error }, 'Former history not closed'));
    await this.openUntilStopped({ suspect: true, lostLog });
  }

  /** Notices within seconds, also while nothing is written, that the database is not the one that was opened. */
  private async watch(): Promise<void> {
    const { signal } = this.stopping;
    for (let looks = 1; ; looks += 1) {
      await pause(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        await this.look(looks % HOLDINGS_EVERY === 1);
      } catch (error) {
        if (!(error instanceof HistoryUnavailableError)) this.logger.error({ err: error }, 'History not looked after');
      }
    }
  }

  private async look(alsoHoldings: boolean): Promise<void> {
    const { open } = this;
    if (open === null) return;
    try {
      await open.mustBeKept();
      if (!alsoHoldings) return;
      const holdings = await holdingsOf(open, this.tenants);
      if (this.open === open) this.holdings = holdings;
    } catch (error) {
      const isReplaced = error instanceof HistoryUnavailableError && error.reason === 'replaced';
      if (!isReplaced || this.open !== open) throw error;
      this.trouble = error;
      this.logger.error({ err: error, reason: error.reason }, 'History is not where it was opened; the stream waits');
      await this.reopen();
    }
  }

  private async openUntilStopped(how: HowToOpen): Promise<void> {
    const { signal } = this.stopping;
    const backOff = new BackOff(RETRY);
    while (!signal.aborted && !(await this.tryToOpen(how))) await backOff.pause(signal);
  }

  /** Says in the database what it lacks of what was in history before; the process that writes does. */
  private async markMissing(database: HistoryDatabase): Promise<void> {
    try {
      const now = await holdingsOf(database, this.tenants);
      const { setAside } = database;
      const isUnknown = setAside !== null && this.holdings.size === 0;
      const before = isUnknown ? await unknownHoldings(setAside, this.tenants) : this.holdings;
      const missing = missingIn(now, before, this.tenants, Date.now());
      if (missing.length > 0) {
        if (this.writer !== 'elsewhere') {
          await database.apply(missing);
          await database.renewLineage();
        }
        this.lackingSinceMs = Date.now();
        const count = missing.reduce((sum, { entries }) => sum + entries, 0);
        this.logger.error({ count }, 'History lacks what it held before; the gap is marked. Restore a backup');
      }
      // With the gaps that were just marked: the next database that stands here has to know of them too.
      this.holdings = missing.length > 0 ? await holdingsOf(database, this.tenants) : now;
    } catch (error) {
      await database.close().catch((closing: unknown) => this.logger.debug({ err: closing }, 'History not closed'));
      throw error;
    }
  }

  private async tryToOpen(how: HowToOpen): Promise<boolean> {
    try {
      const database = await HistoryDatabase.open({ url: this.settings!.url, ...how });
      await this.markMissing(database);
      if (database.setAside !== null) {
        const facts = { path: database.path, set_aside: database.setAside };
        this.logger.error(
          facts,
          'The history file was damaged: it was set aside and a new one begun; restore a backup',
        );
      } else if (this.trouble !== null) {
        this.logger.info('The history database is open');
      }
      this.open = database;
      this.trouble = null;
      return true;
    } catch (error) {
      if (!(error instanceof HistoryUnavailableError)) throw error;
      if (this.trouble?.message !== error.message) {
        this.logger.error(
          { err: error, reason: error.reason },
          'The history database cannot be opened; it is tried again',
        );
      }
      this.trouble = error;
      return false;
    }
  }
}
