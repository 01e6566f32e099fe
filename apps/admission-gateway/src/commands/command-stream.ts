import type { ServerResponse } from 'node:http';

import { pause } from '#basics';
import { Repetition, StoreUnavailableError, type Command } from '#session-core';

import { commandEvent } from './command.mapper.js';

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

/** How soon a client that lost its connection should come back, milliseconds. */
const RECONNECT = 'retry: 1000\n\n';

/** The last event. `draining`: the gateway stops, come back, which leads to another one. `key-changed`: come back, and be judged anew. */
export type LeaveReason = 'draining' | 'key-changed';
const leave = (reason: LeaveReason) => `event: reconnect\ndata: ${JSON.stringify({ reason })}\n\n`;

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // A client that comes back shall not come over this connection, which leads to the gateway that it was sent away from.
  Connection: 'close',
  // nginx would hold events back until its buffer is full.
  'X-Accel-Buffering': 'no',
};

/**
 * One open event stream of a node: all that is unacknowledged, what is new when it is woken, and everything again until it is
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
    private readonly out: ServerResponse,
    private readonly unacknowledged: () => AsyncIterable<Command[]>,
    private readonly timing: StreamTiming = TIMING,
  ) {
    this.repetition = new Repetition(timing.resendMs);
  }

  /** Sends until the connection closes or `end` is called. Rejects only with what is a bug. */
  async run(): Promise<void> {
    const { out, timing } = this;
    out.once('close', () => this.close());
    out.on('error', () => this.close());
    out.writeHead(200, HEADERS);
    out.write(RECONNECT);
    const keepAlive = setInterval(() => !out.writableNeedDrain && out.write(':\n\n'), timing.keepAliveMs);
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

  /** Tells the client to come back, and why, and ends the response. */
  end(reason: LeaveReason = 'draining'): void {
    this.close();
    if (!this.out.writableEnded) this.out.end(leave(reason));
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
      if (due.length > 0) await this.send(due.map(commandEvent).join(''));
      if (this.closed) return now;
    }
    return this.repetition.complete();
  }

  /** Hands text over, and waits until the client has taken nearly all of it. Who does not take it in time is cut off. */
  private async send(events: string): Promise<void> {
    const { out } = this;
    if (this.closed || out.write(events)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(stall);
        out.off('drain', done);
        this.closing.signal.removeEventListener('abort', done);
        resolve();
      };
      const stall = setTimeout(() => out.destroy(), this.timing.stallMs);
      out.once('drain', done);
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
