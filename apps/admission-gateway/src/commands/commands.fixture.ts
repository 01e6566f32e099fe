import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

import { redisNow } from '#basics';
import { SessionStore, type EndReason, type StoreClient } from '#session-core';
import { eventually } from '#testing';

import type { Gateway } from '../gateway.fixture.js';

export const NODE = 'b2bua-1';

export interface WireCommand {
  commandId: string;
  sessionId: string;
  attempt: number;
  reason: string;
}

/** Ends a live session as an operator does. */
export async function endByBerth(
  client: StoreClient,
  sessionId: string,
  reason: EndReason = 'killed',
  tenant = { name: 'default', shards: 1 },
): Promise<void> {
  const store = new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
  const { kind } = await store.end(tenant, { sessionId }, { reason, by: 'berth' });
  if (kind !== 'now') throw new Error(`${sessionId} was not ended but ${kind}`);
}

/** Admits a session at a node and ends it. */
export async function command(
  gateway: Gateway,
  client: StoreClient,
  sessionId: string,
  more: object = {},
): Promise<void> {
  const { status } = await gateway.admit({ sessionId, user: sessionId, node: NODE, ...more });
  if (status !== 201) throw new Error(`${sessionId} was not admitted: ${status}`);
  await endByBerth(client, sessionId);
  await nextMillisecond(client);
}

/** So that no two commands are of the same age. */
async function nextMillisecond(client: StoreClient): Promise<void> {
  const milliseconds = async () => Math.floor(await redisNow(client));
  const before = await milliseconds();
  while ((await milliseconds()) === before);
}

export async function listen(gateway: Gateway): Promise<number> {
  if (!gateway.app.getHttpServer().listening) await gateway.app.listen(0, '127.0.0.1');
  return (gateway.app.getHttpServer().address() as AddressInfo).port;
}

/** An event-stream client, as the standard reads a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class EventClient {
  readonly events: { type: string; id: string; data: WireCommand; atMs: number }[] = [];
  comments = 0;
  closed = false;
  status = 0;
  headers: IncomingMessage['headers'] = {};
  private rest = '';
  private answer: IncomingMessage | undefined;

  private constructor(private readonly outgoing: ClientRequest) {}

  static async open(port: number, { node = NODE, headers = {} } = {}): Promise<EventClient> {
    const path = `/v1/nodes/${encodeURIComponent(node)}/commands`;
    const outgoing = request({ host: '127.0.0.1', port, path, headers, agent: false });
    const client = new EventClient(outgoing);
    outgoing.on('error', () => (client.closed = true));
    outgoing.on('response', (answer) => client.read(answer));
    outgoing.end();
    await eventually(() => client.status !== 0 || client.closed, { what: 'the stream to open' });
    return client;
  }

  get sessionIds(): string[] {
    return this.events.map(({ data }) => data.sessionId);
  }

  async has(...sessionIds: string[]): Promise<void> {
    await eventually(() => sessionIds.every((id) => this.sessionIds.includes(id)), {
      what: `commands for ${sessionIds.join(', ')}`,
    });
  }

  commandFor(sessionId: string): WireCommand {
    const found = this.events.findLast(({ data }) => data.sessionId === sessionId);
    if (found === undefined) throw new Error(`There was no command for ${sessionId}`);
    return found.data;
  }

  stopReading(): void {
    this.answer?.pause();
  }

  close(): void {
    this.outgoing.destroy();
  }

  private read(answer: IncomingMessage): void {
    this.answer = answer;
    this.status = answer.statusCode ?? 0;
    this.headers = answer.headers;
    answer.setEncoding('utf8').on('data', (text: string) => this.parse(text));
    answer.on('error', () => {});
    answer.on('close', () => (this.closed = true));
  }

  private parse(text: string): void {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map<string, string>();
      for (const line of block.split('\n')) {
        if (line.startsWith(':')) this.comments += 1;
        else fields.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart());
      }
      const data = fields.get('data');
      if (data === undefined) continue;
      const parsed = JSON.parse(data) as WireCommand;
      this.events.push({
        type: fields.get('event') ?? '',
        id: fields.get('id') ?? '',
        data: parsed,
        atMs: performance.now(),
      });
    }
  }
}
