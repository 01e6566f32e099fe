import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

import { BerthError } from './errors.js';
import { readEvents } from './event-stream.js';
import { OPERATIONS, type Command } from './generated/operations.js';
import type { TlsOptions } from './options.js';
import { failureOf } from './problems.js';
import { NoAnswer, type Answer, type Call, type SendOptions, type Transport } from './transport.js';

/** Far above any answer of a gateway: a thousand commands have half a megabyte. */
const MAX_ANSWER_BYTES = 8 * 2 ** 20;
/** A gateway sends a comment every 15 s: a stream that is silent for longer leads nowhere. */
const MAX_SILENCE_MS = 25_000;
/** Connections that are kept between calls. */
const MAX_IDLE = 64;

export interface HttpTransportOptions {
  key?: string | undefined;
  tenant?: string | undefined;
  tls?: TlsOptions | undefined;
}

/** JSON over HTTP/1.1, on connections that are kept. */
export class HttpTransport implements Transport {
  private readonly agent: HttpAgent;
  private readonly request: typeof httpRequest;
  private readonly prefix: string;
  private readonly headers: Record<string, string>;

  constructor(
    private readonly url: URL,
    { key, tenant, tls }: HttpTransportOptions,
  ) {
    const secure = url.protocol === 'https:';
    // The connection used last is the one that is least likely to have been closed meanwhile.
    const kept = { keepAlive: true, maxFreeSockets: MAX_IDLE, scheduling: 'lifo' } as const;
    this.agent = secure ? new HttpsAgent({ ...kept, ...tls }) : new HttpAgent(kept);
    this.request = secure ? httpsRequest : httpRequest;
    this.prefix = url.pathname.replace(/\/+$/, '');
    this.headers = {
      accept: 'application/json',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(tenant !== undefined && { 'berth-tenant': tenant }),
    };
  }

  send(call: Call, { timeoutMs, signal }: SendOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { request, body } = this.begin(call);
      let [sent, responded] = [false, false];
      const fail = (error: Error) => {
        const code = (error as NodeJS.ErrnoException).code;
        const stale = request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
        reject(new NoAnswer(`${this.url.origin}: ${error.message || code}`, sent, stale, { cause: error }));
      };
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const cancel = () => request.destroy(new Error('the caller gave up'));
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted === true) cancel();
      request.once('socket', (socket) => {
        if (!socket.connecting) sent = true;
        else socket.once('connect', () => (sent = true));
      });
      request.once('close', () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', cancel);
        if (!responded) fail(new Error('the connection closed before the answer'));
      });
      request.on('error', fail);
      request.once('response', (response) => {
        responded = true;
        void readAnswer(response).then(resolve, fail);
      });
      request.end(body);
    });
  }

  async *watch(node: string, signal: AbortSignal): AsyncGenerator<Command> {
    // Over a connection of its own: a gateway that goes says so at the end of it.
    const { request } = this.begin({ operation: 'commands_stream', params: { node } });
    const cancel = () => request.destroy(new Error('the caller gave up'));
    signal.addEventListener('abort', cancel);
    request.setTimeout(MAX_SILENCE_MS, () => request.destroy(new Error(`silent for ${MAX_SILENCE_MS} ms`)));
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request.once('response', resolve);
        request.on('error', reject);
        request.end();
        if (signal.aborted) cancel();
      });
      const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
      if (response.statusCode !== 200 || !isStream) throw failureOf(await readAnswer(response));
      for await (const { event, data } of readEvents(response as AsyncIterable<Buffer>)) {
        if (event === 'terminate') yield JSON.parse(data) as Command;
      }
    } catch (error) {
      if (error instanceof BerthError) throw error;
      throw new NoAnswer(`${this.url.origin}: ${(error as Error).message}`, true, false, { cause: error });
    } finally {
      signal.removeEventListener('abort', cancel);
      request.destroy();
    }
  }

  dropIdle(): void {
    for (const sockets of Object.values(this.agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.agent.destroy();
  }

  private begin({ operation, params = {}, query = {}, body }: Call): { request: ClientRequest; body?: string } {
    const { method, path } = OPERATIONS[operation];
    const asked = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
    );
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(params[name] ?? ''));
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = this.request(this.url, {
      agent: this.agent,
      method,
      path: `${this.prefix}${filled}${asked.length > 0 ? `?${asked.join('&')}` : ''}`,
      headers: {
        ...this.headers,
        ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    });
    return { request, ...(text !== undefined && { body: text }) };
  }
}

/** Percent-encoded, and never `.` or `..`, which proxies would take for a way up. */
function segment(value: string): string {
  return /^\.+$/.test(value) ? value.replaceAll('.', '%2E') : encodeURIComponent(value);
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
  }
  const { statusCode: status = 0, headers } = response;
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return {
    status,
    body: readJson(headers['content-type'] ?? '', Buffer.concat(chunks)),
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null,
  };
}

function readJson(type: string, bytes: Buffer): unknown {
  if (!/^application\/(?:problem\+)?json/.test(type)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined; // whatever answered was no gateway
  }
}
