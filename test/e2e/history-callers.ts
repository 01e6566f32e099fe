import { setTimeout as elapsed } from 'node:timers/promises';

import type { Account } from './history-account.js';

const EVERY_MS = 50;

/** Callers of a gateway, one after the other: each must be admitted. */
export class Callers {
  private readonly stopping = new AbortController();
  private readonly refused: string[] = [];
  private calling: Promise<void> = Promise.resolve();
  private n = 0;

  constructor(
    private readonly url: string,
    private readonly account: Account,
  ) {}

  start(): this {
    this.calling = this.call();
    return this;
  }

  /** Returns what was answered instead of an admission. */
  async stop(): Promise<string[]> {
    this.stopping.abort();
    await this.calling;
    return this.refused;
  }

  private async call(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.n += 1;
      await this.ask(`gateway/${this.n}`).catch((error: unknown) => this.refused.push(String(error)));
      await elapsed(EVERY_MS);
    }
  }

  private async ask(sessionId: string): Promise<void> {
    const reply = await fetch(`${this.url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sessionId, user: `caller-${this.n}` }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = (await reply.json()) as { session: { user: string; startedAt: string } };
    if (reply.status !== 201) {
      this.refused.push(JSON.stringify(body));
      return;
    }
    this.account.lives.set(`${sessionId} ${body.session.startedAt}`, {
      id: sessionId,
      startedAtMs: Date.parse(body.session.startedAt),
      attempt: 1,
      user: body.session.user,
      node: '',
      state: 'active',
      groups: [],
      destination: null,
      idleMs: 0,
      reservationMs: 0,
      totals: { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0 },
    });
  }
}
