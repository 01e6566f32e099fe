import { BackOff, backOffMs, pause } from '#basics';

import { Connection } from './connection.js';
import { readReply, toEntry } from './entry.js';
import { messageOf } from './errors.js';
import { groupLag } from './group-lag.js';
import type { GroupStream, Redelivery } from './group-stream.js';
import type { Tell } from './observer.js';
import type { ResolvedOptions } from './options.js';
import type { Settlement } from './settlement.js';

const AFTER_A_FAILURE = { firstMs: 50, maxMs: 2_000 };

/**
 * Reads the streams of one slot, one batch after the other: what this consumer still has pending, what dead consumers left, then
 * what is new. It ends only when it is stopped; whatever fails is tried again.
 */
export class ReadLoop {
  private readonly reader: Connection;
  private readonly stopping = new AbortController();
  /** The groups may be gone and entries may be pending that we know nothing of: at the start, and after each reconnect. */
  private recovering = true;
  private tendAt = 0;
  private retryAt = Infinity;
  private waiting = 0;
  private retries = 0;
  private readonly backOff = new BackOff(AFTER_A_FAILURE);
  private failedAt = 0;
  private readonly known = new Set<GroupStream>();

  constructor(
    private readonly streams: readonly GroupStream[],
    private readonly commands: Connection,
    private readonly settlement: Settlement,
    private readonly options: ResolvedOptions,
    private readonly tell: Tell,
  ) {
    this.reader = new Connection(options.connect, () => (this.recovering = true));
  }

  async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.turn();
        this.worked();
      } catch (error) {
        await this.failed(error);
      }
    }
  }

  /** No more reading: `run` returns when what is in hand is settled. */
  stop(): void {
    this.stopping.abort();
    this.reader.hurry();
  }

  close(): void {
    this.reader.close();
  }

  private async turn(): Promise<void> {
    if (this.recovering) await this.recover();
    if (Date.now() >= this.tendAt) await this.tend();
    if (Date.now() >= this.retryAt) await this.settleOwnPending();
    if (this.waiting < this.options.batch) await this.readNew();
    else await pause(this.retryAt - Date.now(), this.stopping.signal);
  }

  private async recover(): Promise<void> {
    this.recovering = false;
    try {
      await this.ensureGroups();
      await this.settleOwnPending();
      this.tendAt = 0;
    } catch (error) {
      this.recovering = true;
      throw error;
    }
  }

  private async ensureGroups(): Promise<void> {
    for (const stream of this.streams) {
      const created = await stream.create();
      if (created && this.known.has(stream)) {
        this.tell('groupRecreated', { stream: stream.stream, group: this.options.group });
      }
      this.known.add(stream);
      await stream.register();
    }
  }

  /** A pass over all that is pending here: after it, `waiting` are still not done. */
  private async settleOwnPending(): Promise<void> {
    let waiting = 0;
    for (const stream of this.streams) {
      let after = '0-0';
      while (!this.stopping.signal.aborted) {
        const page = await stream.ownPending(after, this.options.batch);
        const ids = [...page.entries.map(({ streamId }) => streamId), ...page.lost];
        if (ids.length === 0) break;
        waiting += await this.settlement.settle(new Map([[stream, page]]));
        after = latest(ids);
      }
    }
    this.waiting = 0;
    this.retryAt = Infinity;
    this.retries = waiting > 0 ? this.retries + 1 : 0;
    this.expectRetries(waiting);
  }

  private expectRetries(count: number): void {
    if (count === 0) return;
    this.waiting += count;
    const { retryMs, claimIdleMs } = this.options;
    const pauseMs = backOffMs({ firstMs: retryMs, maxMs: claimIdleMs / 2 }, this.retries + 1);
    if (this.retryAt === Infinity) this.retryAt = Date.now() + pauseMs;
  }

  /** Takes over from the dead and removes their names, and says how far behind the group is. */
  private async tend(): Promise<void> {
    for (const stream of this.streams) {
      await this.claimDead(stream);
      await stream.prune(this.options.claimIdleMs);
      await this.measureLag(stream.stream);
    }
    this.tendAt = Date.now() + this.options.claimIdleMs / 3;
  }

  private async claimDead(stream: GroupStream): Promise<void> {
    let from: string | null = '0-0';
    while (from !== null && !this.stopping.signal.aborted) {
      const claimed: Redelivery & { next: string | null } = await stream.claimDead(
        this.options.claimIdleMs,
        from,
        this.options.batch,
      );
      if (claimed.entries.length > 0) {
        this.tell('claimed', { stream: stream.stream, count: claimed.entries.length });
      }
      this.expectRetries(await this.settlement.settle(new Map([[stream, claimed]])));
      from = claimed.next;
    }
  }

  private async measureLag(stream: string): Promise<void> {
    const { group, observer } = this.options;
    if (observer.lag === undefined) return;
    const lag = await this.commands.run((client) => groupLag(client, stream, group));
    if (lag !== null) this.tell('lag', { stream, group, lag });
  }

  private async readNew(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const { group, consumer, batch } = this.options;
    const blockMs = Math.max(1, Math.min(this.options.blockMs, Math.min(this.tendAt, this.retryAt) - Date.now()));
    const args = ['GROUP', group, consumer, 'COUNT', batch, 'BLOCK', Math.ceil(blockMs), 'STREAMS', ...this.names()];
    args.push(...this.streams.map(() => '>'));
    const reply = await this.reader.run((client) => client.call('XREADGROUP', args), blockMs);
    const delivered = new Map<GroupStream, Redelivery>();
    for (const [name, raw] of readReply(reply)) {
      const stream = this.streams.find((candidate) => candidate.stream === name);
      const entries = raw.map(([id, fields]) => toEntry(name, id, fields ?? [], 1));
      if (stream !== undefined) delivered.set(stream, { entries, lost: [] });
    }
    if (delivered.size > 0) this.expectRetries(await this.settlement.settle(delivered));
  }

  private worked(): void {
    if (this.backOff.failures > 0 && !this.stopping.signal.aborted) {
      this.tell('recovered', { streams: this.names(), afterMs: Date.now() - this.failedAt });
    }
    this.backOff.succeeded();
  }

  /** A lost group is made again at once; after anything else there is a pause, longer each time. */
  private async failed(error: unknown): Promise<void> {
    this.recovering = true;
    if (isGroupLost(error) || this.stopping.signal.aborted) return;
    if (this.backOff.failures === 0) {
      this.failedAt = Date.now();
      this.tell('readFailed', { streams: this.names(), error });
    }
    await this.backOff.pause(this.stopping.signal);
  }

  private names(): string[] {
    return this.streams.map(({ stream }) => stream);
  }
}

/** Redis answers so where the group, or the stream with it, was deleted: also to a read that was waiting. */
function isGroupLost(error: unknown): boolean {
  const message = messageOf(error);
  return (
    message.startsWith('NOGROUP') || message.startsWith('UNBLOCKED the stream key') || /no such key/i.test(message)
  );
}

function latest(ids: readonly string[]): string {
  return ids.reduce((last, id) => (isLater(id, last) ? id : last));
}

function isLater(id: string, than: string): boolean {
  const [ms = 0n, sequence = 0n] = id.split('-').map(BigInt);
  const [otherMs = 0n, otherSequence = 0n] = than.split('-').map(BigInt);
  return ms === otherMs ? sequence > otherSequence : ms > otherMs;
}
