import type { Transport } from './transport.js';

export interface Gateway {
  readonly url: string;
  readonly transport: Transport;
}

interface State extends Gateway {
  failures: number;
  /** Left alone until then; milliseconds of `performance.now()`. */
  restsUntil: number;
}

/** How long a gateway that failed is left alone: twice as long after each failure in a row, less up to a half, so that clients do not come back together. */
const REST = { firstMs: 100, maxMs: 5_000 };

/** The gateways of a fleet: one is used for as long as it works; then the next, and the one that failed is left alone for a time. */
export class Gateways {
  private readonly all: State[];
  private current: number;
  private downSinceMs: number | null = null;

  constructor(gateways: readonly Gateway[]) {
    this.all = gateways.map((gateway) => ({ ...gateway, failures: 0, restsUntil: 0 }));
    // Nodes of a fleet that are given the same list shall not all begin with the first.
    this.current = Math.floor(Math.random() * this.all.length);
  }

  /** Since when every call to every gateway has failed; null if one works. */
  get downSince(): number | null {
    return this.downSinceMs;
  }

  /** The one to ask now, or null if all are left alone until `nextAt()`. */
  pick(): Gateway | null {
    const now = performance.now();
    for (let step = 0; step < this.all.length; step += 1) {
      const at = (this.current + step) % this.all.length;
      const state = this.all[at];
      if (state === undefined || state.restsUntil > now) continue;
      this.current = at;
      return state;
    }
    return null;
  }

  /** When the first of them may be asked again. */
  nextAt(): number {
    return Math.min(...this.all.map(({ restsUntil }) => restsUntil));
  }

  worked(gateway: Gateway): void {
    const state = this.stateOf(gateway);
    if (state === undefined) return;
    [state.failures, state.restsUntil] = [0, 0];
    this.downSinceMs = null;
  }

  /**
   * It did not answer, or cannot serve and asks to be left alone for `retryAfterMs`. Calls that were under way together count as one failure.
   */
  failed(
    gateway: Gateway,
    { answered, retryAfterMs = null }: { answered: boolean; retryAfterMs?: number | null },
  ): void {
    const state = this.stateOf(gateway);
    if (state === undefined) return;
    const now = performance.now();
    if (!answered) state.transport.dropIdle();
    if (state.restsUntil > now) return;
    state.failures += 1;
    const restMs = Math.min(REST.firstMs * 2 ** (state.failures - 1), REST.maxMs) * (1 - Math.random() / 2);
    state.restsUntil = now + Math.max(restMs, retryAfterMs ?? 0);
    if (answered) this.downSinceMs = null;
    else if (this.all.every(({ failures }) => failures > 0)) this.downSinceMs ??= now;
  }

  close(): void {
    for (const { transport } of this.all) transport.close();
  }

  private stateOf(gateway: Gateway): State | undefined {
    return this.all.find(({ url }) => url === gateway.url);
  }
}
