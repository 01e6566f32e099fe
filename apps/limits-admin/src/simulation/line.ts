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

interface Place {
  caller: string;
  begin: () => void;
}

/** Who waits for a simulation: one after the other, few at a time, and only as long as its caller is there. */
export class Line {
  private readonly places: Place[] = [];
  /** How long the last one took. */
  private lastMs = 1_000;

  /**
   * Runs the work when those before it are done; null where its caller left first. Throws `too-many-requests` where too many wait already.
   */
  async run<T>(caller: LineCaller, signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
    const ofCaller = this.places.filter((place) => place.caller === caller.name).length;
    if (this.places.length >= MAX_IN_LINE || ofCaller >= MAX_PER_CALLER) throw this.tooMany(ofCaller, caller);
    const place: Place = { caller: caller.name, begin: () => {} };
    const turn = new Promise<void>((resolve) => (place.begin = resolve));
    this.places.push(place);
    const leave = () => this.leave(place);
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (this.places[0] !== place) await turn;
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
      this.leave(place, true);
    }
  }

  /** One that waits goes at once; one that runs when it has stopped. */
  private leave(place: Place, isOver = false): void {
    const at = this.places.indexOf(place);
    if (at === -1 || (at === 0 && !isOver)) return;
    this.places.splice(at, 1);
    place.begin();
    this.places[0]?.begin();
  }

  private tooMany(ofCaller: number, { shared }: LineCaller): ProblemException {
    const seconds = Math.max(1, Math.ceil((this.places.length * this.lastMs) / 1_000));
    const who =
      ofCaller >= MAX_PER_CALLER ? `${ofCaller} simulations of this ${shared}` : `${this.places.length} simulations`;
    return new ProblemException('too-many-requests', `${who} are under way; repeat this one later`, {
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
