import { BackOff, pause } from '#basics';
import type { Logger } from '#service-kit';
import { HistoryUnavailableError, type HistoryEvent, type RowChange } from '#session-history';

import type { History } from '../history.service.js';

const RETRY = { firstMs: 100, maxMs: 5_000 };

export interface WriterOptions {
  history: History;
  /** So many events are written at once without waiting for more. */
  batchSize: number;
  /** Fewer wait until so long after the write before. */
  batchIntervalMs: number;
  /** A transaction was committed. */
  onWritten: (changes: readonly RowChange[], seconds: number) => void;
  logger: Logger;
}

interface Submission {
  events: readonly HistoryEvent[];
  done: () => void;
  failed: (error: unknown) => void;
}

/** Writes events, one transaction after the other, in batches by size and time. */
export class HistoryWriter {
  private waiting: Submission[] = [];
  private waitingEvents = 0;
  private working = false;
  private lastWriteAt = -Infinity;
  private wake = new AbortController();
  private readonly stopping = new AbortController();

  constructor(private readonly options: WriterOptions) {}

  /**
   * Resolves once all of the events are committed. A database that cannot serve is waited for, however long that takes; other failures
   * reject, with those of one call kept apart from those of others.
   */
  async write(events: readonly HistoryEvent[]): Promise<void> {
    if (events.length === 0) return;
    await new Promise<void>((done, failed) => {
      this.waiting.push({ events, done, failed });
      this.waitingEvents += events.length;
      if (this.waitingEvents >= this.options.batchSize) this.wake.abort();
      if (!this.working) void this.work();
    });
  }

  /** No more waiting, neither for more events nor for the database: what is submitted is tried once more, then rejects. */
  stop(): void {
    this.stopping.abort();
    this.wake.abort();
  }

  private async work(): Promise<void> {
    this.working = true;
    while (this.waiting.length > 0) {
      await this.pace();
      const batch = this.waiting;
      this.waiting = [];
      this.waitingEvents = 0;
      await this.settle(batch);
    }
    this.working = false;
  }

  private async pace(): Promise<void> {
    const { batchSize, batchIntervalMs } = this.options;
    const pauseMs = this.lastWriteAt + batchIntervalMs - performance.now();
    if (this.waitingEvents < batchSize && pauseMs > 0 && !this.stopping.signal.aborted) {
      this.wake = new AbortController();
      await pause(pauseMs, this.wake.signal);
    }
    this.lastWriteAt = performance.now();
  }

  /** An event that no database takes must not keep the others of its transaction out. */
  private async settle(batch: readonly Submission[]): Promise<void> {
    try {
      await this.apply(batch.flatMap(({ events }) => events));
      for (const { done } of batch) done();
    } catch (error) {
      if (batch.length === 1 || error instanceof HistoryUnavailableError) {
        for (const { failed } of batch) failed(error);
        return;
      }
      for (const one of batch) await this.settle([one]);
    }
  }

  private async apply(events: readonly HistoryEvent[]): Promise<void> {
    const { history, logger, onWritten } = this.options;
    const backOff = new BackOff(RETRY);
    for (;;) {
      const began = performance.now();
      try {
        const changes = await history.database.apply(events);
        if (history.trouble !== null) logger.info('History is written again');
        history.trouble = null;
        onWritten(changes, (performance.now() - began) / 1_000);
        return;
      } catch (error) {
        if (!(error instanceof HistoryUnavailableError)) throw error;
        if (history.trouble === null) {
          logger.error({ err: error, reason: error.reason }, 'History cannot be written; the stream waits');
        }
        history.trouble = error;
        if (this.stopping.signal.aborted) throw error;
        if (error.reason === 'damaged' || error.reason === 'replaced') await history.reopen();
      }
      await backOff.pause(this.stopping.signal);
    }
  }
}
