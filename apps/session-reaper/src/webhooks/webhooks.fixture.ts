import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { loadConfig, type WebhookConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { NO_FACTS, CommandsStore, SessionStore, type Command, type StoreClient } from '#session-core';

import { AppModule } from '../app.module.js';

export const TENANT = { name: 'default', shards: 1 };
export const SECRET = 'a-secret-of-many-characters';

export interface WireCommand {
  commandId: string;
  sessionId: string;
  attempt: number;
  reason: string;
}

export interface Call {
  headers: IncomingHttpHeaders;
  path: string;
  text: string;
  node: string;
  commands: WireCommand[];
}

type Answer = (call: Call, out: ServerResponse) => void;

export const json =
  (value: unknown): Answer =>
  (_, out) =>
    void out.end(JSON.stringify(value));
/** Does what each command says. */
export const obedient: Answer = ({ commands }, out) =>
  void out.end(JSON.stringify({ results: commands.map(({ commandId }) => ({ commandId, result: 'done' })) }));

/** Somebody's server, on loopback. */
export class Hook {
  readonly calls: Call[] = [];
  answer: Answer = obedient;
  private readonly server = createServer((request, out) => void this.take(request, out));

  static async start(): Promise<Hook> {
    const hook = new Hook();
    await new Promise<void>((resolve) => hook.server.listen(0, '127.0.0.1', resolve));
    return hook;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hooks/berth?key=in-the-query`;
  }

  /** The sessions that it was asked to end, in order, repetitions included. */
  get asked(): string[] {
    return this.calls.flatMap(({ commands }) => commands.map(({ sessionId }) => sessionId));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(request: IncomingMessage, out: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part as string;
    const parsed = JSON.parse(text === '' ? '{"commands":[]}' : text) as Pick<Call, 'node' | 'commands'>;
    const call = { headers: request.headers, path: request.url ?? '', text, ...parsed };
    this.calls.push(call);
    this.answer(call, out);
  }
}

export interface Reaper {
  app: NestFastifyApplication;
  log: Record<string, unknown>[];
  metric(line: string): Promise<number>;
}

export async function startReaper(
  redisUrl: string,
  webhooks: (Partial<WebhookConfig> & { url: string })[],
  { allowPrivate = true } = {},
): Promise<Reaper> {
  const loaded = loadConfig({ env: { BERTH_REDIS_URL: redisUrl }, cwd: '/' });
  const complete = webhooks.map((webhook) => ({ nodes: '*', secret: SECRET, ...webhook }));
  const config = { ...loaded, commands: { webhooks: complete, allowPrivate } };
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>);
  const app = await createApp(AppModule, { config, logger: createLogger(config, 'session-reaper', { write }) });
  return {
    app,
    log,
    async metric(line) {
      const { payload } = await app.inject('/metrics');
      const found = payload.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    },
  };
}

/** Gives commands as an operator does who ends sessions, and sees what is left of them. */
export class Commander {
  readonly commands: CommandsStore;
  private readonly sessions: SessionStore;

  constructor(client: StoreClient) {
    this.sessions = new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
    this.commands = new CommandsStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
  }

  async open(): Promise<void> {
    await this.sessions.limits.publishFile(TENANT, { maxSessionsPerUser: 0 }, 'test');
  }

  async give(sessionId: string, node = 'b2bua-1'): Promise<void> {
    const policy = { idleMs: 0, maxDurationMs: 0, reservationMs: 60_000 };
    const named = { sessionId, attempt: 1, user: 'alice', node, epoch: 1, groups: [] };
    await this.sessions.admit(TENANT, { ...named, state: 'active', priority: 'normal', facts: NO_FACTS, policy });
    await this.sessions.end(TENANT, { sessionId }, { reason: 'killed', by: 'berth' });
  }

  async waiting(node = 'b2bua-1'): Promise<Command[]> {
    return (await this.commands.oldest(TENANT, node, 10_000)).commands;
  }
}
