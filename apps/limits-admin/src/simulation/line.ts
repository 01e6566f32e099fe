import { ProblemException } from '#service-kit';

/** One runs, which holds all sessions of a tenant in memory; the others wait. */
const MAX_IN_LINE = 8;
const MAX_PER_CALLER = 4;

/** Who asks. */
export interface LineCaller {
  /** Tells callers apart. */
  name: string;
  /** What those share who count as one caller. */
  shared: 'key' | 'tenant';
}

interface Waiting {
  caller: string;
  begin: () => void;
}

/** Who waits for a simulation: one after the other, few at a time, and only as long as its caller is there. */
export class Line {
  private readonly waiting: Waiting[] = [];
  /** How long the last one took. */
  private lastMs = 1_000;

  /**
   * Runs the work when those before it are done; null where its caller left first. Throws `too-many-requests` where too many wait already.
   */
  async run<T>(caller: LineCaller, signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
    const ofCaller = this.waiting.filter((waiter) => waiter.caller === caller.name).length;
    if (this.waiting.length >= MAX_IN_LINE || ofCaller >= MAX_PER_CALLER) throw this.tooMany(ofCaller, caller);
    const waiter: Waiting = { caller: caller.name, begin: () => {} };
    const turn = new Promise<void>((resolve) => (waiter.begin = resolve));
    this.waiting.push(waiter);
    const leave = () => this.leave(waiter);
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (this.waiting[0] !== waiter) await turn;
      if (signal.aborted) return null;
      const began = performance.now();
      const result = await work();
      this.lastMs = performance.now() - began;
      return result;
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
      this.leave(waiter, true);
    }
  }

  /** One that waits goes at once; one that runs when it has stopped. */
  private leave(waiter: Waiting, isOver = false): void {
    const at = this.waiting.indexOf(waiter);
    if (at === -1 || (at === 0 && !isOver)) return;
    this.waiting.splice(at, 1);
    waiter.begin();
    this.waiting[0]?.begin();
  }

  private tooMany(ofCaller: number, { shared }: LineCaller): ProblemException {
    const seconds = Math.max(1, Math.ceil((this.waiting.length * this.lastMs) / 1_000));
    const who =
      ofCaller >= MAX_PER_CALLER ? `${ofCaller} simulations of this ${shared}` : `${this.waiting.length} simulations`;
    return new ProblemException('too-many-requests', `${who} are under way; repeat this one later`, {
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
