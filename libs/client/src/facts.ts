import type { Calls } from './calls.js';
import { BerthError, UnavailableError, type ProblemCode } from './errors.js';
import type { Operations } from './generated/operations.js';
import type { AdmissionRequest } from './outcomes.js';
import { pause } from './pause.js';
import { failureOf } from './problems.js';

export type Totals = Pick<
  Operations['sessions_end']['body'] & object,
  'bytesSent' | 'bytesReceived' | 'packetsSent' | 'packetsReceived'
>;

/** What happened at this node, in the form in which servers publish it. */
export type Fact =
  | ({ v: 1; type: 'session.started'; sessionId: string } & Omit<AdmissionRequest, 'sessionId'>)
  | ({ v: 1; type: 'session.ended'; sessionId: string; attempt?: number; user?: string; reason?: string } & Totals);

interface Kept {
  fact: Fact;
  /** Whether it is the end of an admission that nobody was answered, rather than that of a session. */
  doubt: boolean;
  /** Whether it may have reached a gateway. */
  sent: boolean;
}

/** A gateway takes a thousand events, and 1 MiB: each of these has at most some kilobytes. */
const BATCH = { facts: 200, bytes: 900_000 };
const MAX_KEPT = 100_000;
const RETRY = { firstMs: 200, maxMs: 5_000 };

/** Where facts are written down, so that the next run of a killed process can deliver them. */
export interface FactJournal {
  /** Resolves when the fact is on the disk. */
  append(n: number, fact: Fact): Promise<void>;
  delivered(done: number[]): void;
  close(): Promise<void>;
}

/** What gateways could not take, in its order, until one has taken it. */
export class Facts {
  private readonly kept = new Map<number, Kept>();
  private last = 0;
  private delivering: Promise<void> | null = null;
  private readonly closing = new AbortController();

  constructor(
    private readonly calls: Calls,
    private readonly deadlineMs: number,
    private readonly onProblem: (error: BerthError) => void,
    private readonly journal: FactJournal | null,
  ) {}

  get size(): number {
    return this.kept.size;
  }

  /** Sessions that were let through, live, and are not on the books. */
  get letThrough(): number {
    const ids = new Set<string>();
    for (const { fact } of this.kept.values()) {
      if (fact.type === 'session.started') ids.add(nameOf(fact));
      else ids.delete(nameOf(fact));
    }
    return ids.size;
  }

  /** Whether something of this session waits: what comes after it has to wait behind it. */
  has(sessionId: string): boolean {
    return this.some((kept) => kept.fact.sessionId === sessionId);
  }

  /** Whether this session was let through, and is not on the books yet. */
  isLetThrough(sessionId: string, attempt: number): boolean {
    const name = nameOf({ sessionId, attempt });
    return this.some(({ fact }) => fact.type === 'session.started' && nameOf(fact) === name);
  }

  /** What the journal has from earlier runs; tries once to deliver it. */
  async takeOver(facts: readonly Fact[]): Promise<void> {
    for (const fact of facts) this.kept.set((this.last += 1), { fact, doubt: false, sent: true });
    await this.flush();
    this.deliver();
  }

  /** Tries to deliver all, until one try fails. */
  async flush(): Promise<void> {
    while (this.kept.size > 0 && (await this.deliverSome())) {
      // The next batch.
    }
  }

  /**
   * Resolves when the fact is where it can be kept. Throws `too-much-kept` where no gateway has taken anything for too long, and
   * `journal-unwritable`; then it is not kept.
   */
  async keep(fact: Fact, { doubt = false } = {}): Promise<void> {
    if (this.kept.size >= MAX_KEPT) {
      throw new BerthError('too-much-kept', `${MAX_KEPT} facts wait for a gateway: no more are kept`);
    }
    const number = (this.last += 1);
    this.kept.set(number, { fact, doubt, sent: false });
    try {
      await this.journal?.append(number, fact);
    } catch (error) {
      this.kept.delete(number);
      throw error;
    }
    this.deliver();
  }

  /**
   * The same admission is asked for again: its doubtful end is not to be delivered. False where that end may be on its way: then this
   * attempt is over.
   */
  takeDoubtBack(sessionId: string, attempt: number): boolean {
    const name = nameOf({ sessionId, attempt });
    for (const [number, { doubt, fact, sent }] of this.kept) {
      if (!doubt || nameOf(fact) !== name) continue;
      if (sent) return false;
      this.kept.delete(number);
      this.journal?.delivered([number]);
    }
    return true;
  }

  /** Tries once more to deliver all, until the deadline; what then remains is lost with this process. Returns how much that is. */
  async close(): Promise<number> {
    this.closing.abort();
    await this.delivering;
    const deadline = performance.now() + this.deadlineMs;
    while (this.kept.size > 0 && performance.now() < deadline && (await this.deliverSome())) {
      // The next batch.
    }
    await this.journal?.close();
    return this.kept.size;
  }

  private deliver(): void {
    this.delivering ??= this.deliverAll().finally(() => (this.delivering = null));
  }

  private some(predicate: (kept: Kept) => boolean): boolean {
    for (const kept of this.kept.values()) if (predicate(kept)) return true;
    return false;
  }

  private async deliverAll(): Promise<void> {
    let failures = 0;
    while (this.kept.size > 0 && !this.closing.signal.aborted) {
      failures = (await this.deliverSome()) ? 0 : failures + 1;
      if (failures > 0) {
        const pauseMs = Math.min(RETRY.firstMs * 2 ** (failures - 1), RETRY.maxMs);
        await pause(pauseMs * (1 - Math.random() / 2), this.closing.signal, 'idle');
      }
    }
  }

  /** Whether a gateway took at least one. */
  private async deliverSome(): Promise<boolean> {
    const batch = this.batch();
    for (const [, kept] of batch) kept.sent = true;
    try {
      const call = { operation: 'events_publish', body: { events: batch.map(([, { fact }]) => fact) } } as const;
      const answer = await this.calls.send(call, { deadlineMs: this.deadlineMs });
      if (answer.status !== 200) throw failureOf(answer);
      const { results } = answer.body as Operations['events_publish']['answer'];
      const done = results.filter(({ status, code }) => isFinal(status, code)).map(({ index }) => index);
      for (const index of done) this.taken(batch[index], results[index]);
      return done.length > 0;
    } catch (error) {
      if (!(error instanceof UnavailableError)) this.onProblem(error as BerthError);
      return false;
    }
  }

  private taken(
    one: [number, Kept] | undefined,
    result: { status: number; code?: string; detail?: unknown } | undefined,
  ) {
    if (one === undefined || result === undefined) return;
    const [number, { fact }] = one;
    this.kept.delete(number);
    this.journal?.delivered([number]);
    if (result.status !== 400 && result.status !== 403) return;
    const sentence = `${fact.type} of ${fact.sessionId} was refused for good: ${String(result.detail)}`;
    this.onProblem(new BerthError((result.code ?? 'bad-answer') as ProblemCode, sentence));
  }

  private batch(): [number, Kept][] {
    const found: [number, Kept][] = [];
    let bytes = 0;
    for (const one of this.kept) {
      bytes += JSON.stringify(one[1].fact).length * 2;
      if (found.length > 0 && (found.length === BATCH.facts || bytes > BATCH.bytes)) break;
      found.push(one);
    }
    return found;
  }
}

/** A later try may be answered otherwise. */
function isFinal(status: number, code: string | undefined): boolean {
  return status < 500 && status !== 429 && code !== 'ambiguous-session';
}

function nameOf({ sessionId, attempt = 1 }: { sessionId: string; attempt?: number | undefined }): string {
  return `${attempt} ${sessionId}`;
}
