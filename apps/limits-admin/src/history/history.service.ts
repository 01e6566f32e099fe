import { setTimeout as elapsed } from 'node:timers/promises';

import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';

import { CONFIG, LOGGER, ProblemException, type BerthConfig, type HistoryConfig, type Logger } from '#service-kit';
import { HistoryDatabase, HistoryUnavailableError } from '#session-history';

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;

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
  private open: HistoryDatabase | null = null;
  private opening: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(
    @Inject(CONFIG) { history }: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.settings = history;
  }

  /** Waits for the first attempt alone: a database that is away keeps nobody from starting. */
  async onModuleInit(): Promise<void> {
    if (this.settings === null) return;
    if (!(await this.tryToOpen(false))) this.opening = this.openUntilStopped(false);
  }

  /** After everything that may still write. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.opening;
    await Promise.race([this.open?.close(), elapsed(2_000, undefined, { ref: false })]);
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

  /** The database was found damaged: it is closed, and opened as one that may have to be set aside. */
  async reopen(): Promise<void> {
    const damaged = this.open;
    if (damaged === null) return this.opening;
    this.open = null;
    this.opening = (async () => {
      await damaged.close().catch((error: unknown) => this.logger.debug({ err: error }, 'Damaged history not closed'));
      await this.openUntilStopped(true);
    })();
    return this.opening;
  }

  private async openUntilStopped(suspect: boolean): Promise<void> {
    const { signal } = this.stopping;
    for (let pauseMs = FIRST_RETRY_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_RETRY_MS)) {
      if (await this.tryToOpen(suspect)) return;
      await elapsed(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  private async tryToOpen(suspect: boolean): Promise<boolean> {
    try {
      const database = await HistoryDatabase.open({ url: this.settings!.url, suspect });
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
