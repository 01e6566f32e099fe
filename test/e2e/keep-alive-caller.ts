import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as elapsed } from 'node:timers/promises';

const EVERY_MS = 40;
/** Sessions that one caller holds at most. */
const HOLDS = 4;

/** A server that asks at a steady pace over one connection that it keeps, tries nothing again, and writes down every answer. */
export class KeepAliveCaller {
  /** Ids by their answers. */
  readonly admitted = new Set<string>();
  readonly ended = new Set<string>();
  readonly refused = new Set<string>();
  /** Whatever is no answer that could be expected. */
  readonly lost: string[] = [];
  asked = 0;
  /** Answers that asked to leave the connection. */
  sentAway = 0;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly stopping = new AbortController();
  private readonly calling: Promise<void>;

  constructor(
    private readonly url: string,
    private readonly name: string,
    private readonly user: string,
  ) {
    this.calling = this.call();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.calling;
    this.agent.destroy();
  }

  private async call(): Promise<void> {
    const held: string[] = [];
    for (let n = 1; !this.stopping.signal.aborted; n += 1) {
      const sessionId = `${this.name}/${n}`;
      const status = await this.ask('POST', '/v1/sessions', { sessionId, user: this.user });
      if (status === 201) {
        this.admitted.add(sessionId);
        held.push(sessionId);
      } else if (status === 429) {
        this.refused.add(sessionId);
      } else {
        this.lost.push(`POST ${sessionId}: ${status}`);
      }
      const over = held.length > HOLDS || status === 429 ? held.shift() : undefined;
      if (over !== undefined) {
        const left = await this.ask('DELETE', `/v1/sessions/${encodeURIComponent(over)}`);
        if (left === 200 || left === 204) this.ended.add(over);
        else this.lost.push(`DELETE ${over}: ${left}`);
      }
      await elapsed(EVERY_MS, undefined, { signal: this.stopping.signal }).catch(() => {});
    }
  }

  private async ask(method: string, path: string, body?: object): Promise<number | string> {
    this.asked += 1;
    try {
      const headers = { 'content-type': 'application/json' };
      const outgoing = request(`${this.url}${path}`, { method, agent: this.agent, headers, timeout: 10_000 });
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')));
      outgoing.end(body && JSON.stringify(body));
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
      await text(answer);
      if (answer.headers.connection === 'close') this.sentAway += 1;
      return answer.statusCode ?? 0;
    } catch (error) {
      return String(error);
    }
  }
}
