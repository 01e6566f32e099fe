import { setTimeout as delay } from 'node:timers/promises';

const REQUEST_TIMEOUT_MS = 5_000;
const PART = 500;

interface Beat {
  beatSeconds: number;
  snapshotWanted: boolean;
  mark: string;
}

interface SnapshotAnswer {
  complete: boolean;
  hangUp: string[];
}

/**
 * A server that holds sessions, as Berth expects one: it asks before a call starts, says when it ends, beats, lists what it holds when it
 * is asked to, and hangs up what Berth wants hung up.
 */
export class FleetNode {
  /** What it really holds: id to start. */
  readonly calls = new Map<string, { user: string; startedAt: string }>();
  /** What it had to hang up, by command or by the answer to a list. */
  readonly hungUp: string[] = [];
  private readonly stopped = new AbortController();
  private readonly tasks: Promise<void>[] = [];
  private cut = false;
  /** When the last beat that was taken had been sent: its lease began then or later. */
  beatAt = 0;

  constructor(
    readonly name: string,
    private readonly urls: readonly string[],
    readonly epoch: number = Date.now(),
  ) {}

  /** Begins to beat and to ask for commands. */
  start(beatMs: number): this {
    this.tasks.push(this.every(beatMs, () => this.beat()));
    this.tasks.push(this.every(beatMs, () => this.obey()));
    return this;
  }

  /** Falls silent, as after SIGKILL. What it held is gone. */
  async kill(): Promise<void> {
    this.stopped.abort();
    await Promise.all(this.tasks);
  }

  /** Goes for good: is silent, and asks to leave until a gateway has answered 204. */
  async leave(): Promise<void> {
    await this.kill();
    for (let status = 0; status !== 204;) {
      ({ status } = await this.ask('POST', `/v1/nodes/${this.name}/leave`, { epoch: this.epoch }));
    }
    this.calls.clear();
  }

  /** As when the network between it and Berth is gone: its calls go on. */
  setCut(cut: boolean): void {
    this.cut = cut;
  }

  /** Asks, and holds the call if it may start. Returns the status, or 0 where nobody answered. */
  async call(id: string, user: string): Promise<number> {
    const { status, body } = await this.ask('POST', '/v1/sessions', {
      sessionId: id,
      user,
      node: this.name,
      epoch: this.epoch,
    });
    const session = (body as { session?: { startedAt: string } }).session;
    if (status === 201 && session !== undefined) this.calls.set(id, { user, startedAt: session.startedAt });
    return status;
  }

  /** Hangs up by itself, and says so; an end that nobody hears is left to the next list. */
  async end(id: string): Promise<void> {
    this.calls.delete(id);
    await this.ask('POST', '/v1/sessions/-/end', { sessionId: id });
  }

  async beat(): Promise<void> {
    const sentAt = Date.now();
    const { status, body } = await this.ask('POST', `/v1/nodes/${this.name}/heartbeat`, {
      epoch: this.epoch,
      activeSessions: this.calls.size,
    });
    if (status === 200) this.beatAt = sentAt;
    if (status === 200 && (body as Beat).snapshotWanted) await this.list((body as Beat).mark);
  }

  private async list(mark: string): Promise<void> {
    const held = [...this.calls].map(([id, { user, startedAt }]) => ({ id, user, startedAt }));
    const parts = Math.max(1, Math.ceil(held.length / PART));
    for (let part = 1; part <= parts; part += 1) {
      const sessions = held.slice((part - 1) * PART, part * PART);
      const list = { epoch: this.epoch, mark, part, parts, sessions, ...(held.length === 0 && { none: true }) };
      const { status, body } = await this.ask('PUT', `/v1/nodes/${this.name}/sessions`, list);
      if (status !== 200) return;
      for (const id of (body as SnapshotAnswer).hangUp) this.hangUp(id);
    }
  }

  private async obey(): Promise<void> {
    const path = `/v1/nodes/${this.name}/commands`;
    const { body } = await this.ask('POST', `${path}:poll`, {});
    for (const { commandId, sessionId } of (body as { commands?: { commandId: string; sessionId: string }[] })
      .commands ?? []) {
      const held = this.calls.has(sessionId);
      this.hangUp(sessionId);
      await this.ask('POST', `${path}/${commandId}/ack`, { result: held ? 'done' : 'gone' });
    }
  }

  private hangUp(id: string): void {
    if (this.calls.delete(id)) this.hungUp.push(id);
  }

  private async every(ms: number, task: () => Promise<void>): Promise<void> {
    while (!this.stopped.signal.aborted) {
      await task();
      await delay(ms, undefined, { signal: this.stopped.signal }).catch(() => {});
    }
  }

  private async ask(method: string, path: string, body: unknown): Promise<{ status: number; body: unknown }> {
    for (const url of this.cut ? [] : this.urls) {
      try {
        const reply = await fetch(`${url}${path}`, {
          method,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        });
        const text = await reply.text();
        return { status: reply.status, body: text === '' ? {} : (JSON.parse(text) as unknown) };
      } catch {
        // Nobody there: the next gateway.
      }
    }
    return { status: 0, body: {} };
  }
}
