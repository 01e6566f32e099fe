import type { Dispatcher } from './dispatcher.js';
import type { EntryResult, StreamEntry } from './entry.js';
import type { GroupStream, Redelivery } from './group-stream.js';
import type { Tell } from './observer.js';
import type { ResolvedOptions } from './options.js';

/** Hands entries to their handlers, and then acknowledges, dead-letters or leaves them pending. */
export class Settlement {
  private readonly inHand = new Map<GroupStream, Set<string>>();

  constructor(
    private readonly options: ResolvedOptions,
    private readonly dispatcher: Dispatcher,
    private readonly tell: Tell,
  ) {}

  /**
   * Settles what was delivered and returns how many entries are left for a retry. Rejects when Redis fails; what is not settled
   * then stays pending, and comes again.
   */
  async settle(delivered: ReadonlyMap<GroupStream, Redelivery>): Promise<number> {
    for (const [stream, { entries }] of delivered) {
      this.inHand.set(stream, new Set(entries.map(({ streamId }) => streamId)));
    }
    try {
      const results = await this.dispatcher.dispatch(this.worthTrying(delivered));
      const settled = [...delivered].map(([stream, delivery]) => this.settleStream(stream, delivery, results));
      const outcomes = await Promise.allSettled(settled);
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return outcomes.reduce((sum, outcome) => sum + (outcome.status === 'fulfilled' ? outcome.value : 0), 0);
    } finally {
      this.inHand.clear();
    }
  }

  /** Keeps what is in hand from being taken for a dead consumer's, however long its handlers take. */
  async keep(): Promise<void> {
    await Promise.all([...this.inHand].flatMap(([stream, ids]) => (ids.size === 0 ? [] : [stream.keep([...ids])])));
  }

  /** Without those that were delivered too often without any result: their handlers took the process with them. */
  private worthTrying(delivered: ReadonlyMap<GroupStream, Redelivery>): StreamEntry[] {
    const entries = [...delivered.values()].flatMap((delivery) => delivery.entries);
    return entries.filter(({ deliveries }) => deliveries <= this.options.maxDeliveries);
  }

  private async settleStream(
    stream: GroupStream,
    { entries, lost }: Redelivery,
    results: ReadonlyMap<StreamEntry, EntryResult>,
  ): Promise<number> {
    const acknowledged = [...lost];
    const dead: Promise<void>[] = [];
    let waiting = 0;
    for (const entry of entries) {
      const result = this.judge(entry, results.get(entry));
      if (result === 'done') acknowledged.push(entry.streamId);
      else if ('deadLetter' in result) dead.push(this.deadLetter(stream, entry, result.deadLetter));
      else {
        waiting += 1;
        this.tell('retrying', { ...factsOf(entry), reason: result.retry });
      }
    }
    await stream.acknowledge(acknowledged);
    if (lost.length > 0) {
      this.tell('entriesLost', { stream: stream.stream, group: this.options.group, streamIds: lost });
    }
    await Promise.all(dead);
    return waiting;
  }

  private judge({ deliveries }: StreamEntry, result: EntryResult | undefined): EntryResult {
    if (result === undefined) return { deadLetter: `delivered ${deliveries - 1} times, and never came to a result` };
    if (result === 'done' || 'deadLetter' in result || deliveries < this.options.maxDeliveries) return result;
    return { deadLetter: `failed ${deliveries} times: ${result.retry}` };
  }

  private async deadLetter(stream: GroupStream, entry: StreamEntry, reason: string): Promise<void> {
    const { deadLetterStream, deadLetterMaxLength } = this.options;
    const target = typeof deadLetterStream === 'string' ? deadLetterStream : deadLetterStream(entry.fields);
    const written = await stream.deadLetter(entry, reason, target, deadLetterMaxLength);
    if (written) this.tell('deadLettered', { ...factsOf(entry), reason });
  }
}

function factsOf({ stream, streamId, deliveries, fields }: StreamEntry) {
  return { stream, streamId, type: fields['type'] ?? '', deliveries };
}
