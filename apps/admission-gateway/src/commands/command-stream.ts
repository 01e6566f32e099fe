import { pause } from '#basics';
import { Repetition, StoreUnavailableError, type Command } from '#session-core';

import type { CommandSink, LeaveReason } from './command-sink.js';

export interface StreamTiming {
  /** What is not acknowledged is sent again after this long. */
  resendMs: number;
  /** A comment so often keeps proxies from closing a silent connection. */
  keepAliveMs: number;
  /** A client that has taken nothing for so long, with something waiting for it, is dropped. */
  stallMs: number;
  /** While Redis is away, the commands are asked for so often. */
  retryMs: number;
}

const TIMING: StreamTiming = { resendMs: 10_000, keepAliveMs: 15_000, stallMs: 15_000, retryMs: 1_000 };

/** Reading takes at most a tenth of the time, however many commands wait; but a new one waits no longer than this for it. */
const REST_FACTOR = 10;
const REST_MS = { least: 20, most: 5_000 };

/**
 * One open stream of a node's commands: all that is unacknowledged, what is new when it is woken, and everything again until it is
 * acknowledged. Redis may be away meanwhile.
 *
 * It holds at most a page of commands in memory that its client has not taken: it waits for the client, then drops it.
 */
export class CommandStream {
  private readonly repetition: Repetition;
  private readonly closing = new AbortController();
  private woken = false;
  private onWake: () => void = () => {};

  constructor(
    private readonly sink: CommandSink,
    private readonly unacknowledged: () => AsyncIterable<Command[]>,
    private readonly timing: StreamTiming = TIMING,
  ) {
    this.repetition = new Repetition(timing.resendMs);
  }

  /** Sends until the connection closes or `end` is called. Rejects only with what is a bug. */
  async run(): Promise<void> {
    const { sink, timing } = this;
    sink.out.once('close', () => this.close());
    sink.out.on('error', () => this.close());
    sink.begin();
    const keepAlive = setInterval(() => sink.keepAlive(), timing.keepAliveMs);
    try {
      while (!this.closed) await this.rest(...(await this.tryPass()));
    } finally {
      clearInterval(keepAlive);
    }
  }

  /** There may be something new. */
  wake(): void {
    this.woken = true;
    this.onWake();
  }

  /** Has the client come back, with the reason, and ends. */
  end(reason: LeaveReason = 'draining'): void {
    this.close();
    if (!this.sink.out.writableEnded && !this.sink.out.destroyed) this.sink.end(reason);
  }

  private get closed(): boolean {
    return this.closing.signal.aborted;
  }

  private close(): void {
    this.closing.abort();
    this.onWake();
  }

  /** How long to rest: at least, and at most if nobody wakes it. */
  private async tryPass(): Promise<[leastMs: number, mostMs: number]> {
    this.woken = false;
    const startedAt = performance.now();
    try {
      const dueAt = await this.pass(startedAt);
      const now = performance.now();
      const leastMs = Math.min(Math.max((now - startedAt) * REST_FACTOR, REST_MS.least), REST_MS.most);
      return [leastMs, Math.min(dueAt - now, this.timing.resendMs)];
    } catch (error) {
      if (error instanceof StoreUnavailableError) return [REST_MS.least, this.timing.retryMs];
      throw error;
    }
  }

  /** Sends what is due; returns when something will be. */
  private async pass(now: number): Promise<number> {
    this.repetition.begin();
    for await (const page of this.unacknowledged()) {
      const due = this.repetition.due(page, now);
      this.repetition.sent(due, performance.now());
      if (due.length > 0) await this.send(due);
      if (this.closed) return now;
    }
    return this.repetition.complete();
  }

  /** Hands commands over, and waits until the client has taken nearly all of it. Who does not take it in time is cut off. */
  private async send(commands: readonly Command[]): Promise<void> {
    const { sink } = this;
    if (this.closed || sink.write(commands)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(stall);
        sink.out.off('drain', done);
        this.closing.signal.removeEventListener('abort', done);
        resolve();
      };
      const stall = setTimeout(() => sink.cutOff(), this.timing.stallMs);
      sink.out.once('drain', done);
      this.closing.signal.addEventListener('abort', done);
    });
  }

  private async rest(leastMs: number, mostMs: number): Promise<void> {
    await pause(leastMs, this.closing.signal);
    if (this.woken || this.closed || mostMs <= leastMs) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, mostMs - leastMs);
      this.onWake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.onWake = () => {};
  }
}
