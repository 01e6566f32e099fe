import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { ProblemException } from '../problems/problem.js';
import type { ProblemFilter } from '../problems/problem.filter.js';

/** How long a client may take to read why it was refused, before its connection is cut. */
const LINGER_MS = 2_000;
/** As much of a request as shows what it asked for. */
const TARGET_BYTES = 64;

type ParserError = Error & { code?: string; rawPacket?: unknown };

/**
 * Answers as problems, too, what Node would refuse by itself, empty or not at all: what is no HTTP, an `Expect` that nobody meets, `CONNECT`. The
 * connection is closed then: what follows on it cannot be distinguished from a body.
 */
export class BrokenHttp {
  private readonly newest = new WeakMap<Duplex, ServerResponse>();
  private readonly refused = new WeakSet<Duplex>();

  constructor(private readonly problems: ProblemFilter) {}

  /** To be called before anything else listens. */
  watch(server: Server): void {
    server.prependListener('request', ({ socket }, response) => this.newest.set(socket, response));
    server.on('checkExpectation', ({ url = '' }, response) => {
      const { status, headers, text } = this.problems.words(unmet(), url);
      response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(text), Connection: 'close' });
      response.end(text);
    });
    server.on('connect', (_request, socket) => {
      socket.on('error', () => {}); // a client that is gone needs no answer
      const problem = new ProblemException('method-not-allowed', 'Berth is no proxy: there is no CONNECT');
      this.afterEarlier(socket, () => this.refuse(socket, problem, ''));
    });
  }

  /** For an error of the parser, or of a client that sends too slowly. */
  answer(error: ParserError, socket: Duplex): void {
    // What else fails is the connection, or TLS before it was agreed on: there is no way to say anything.
    const isOfHttp = /^(HPE_|ERR_HTTP_)/.test(error.code ?? '');
    if (!isOfHttp || !socket.writable) {
      socket.destroy(error);
      return;
    }
    if (this.refused.has(socket)) return;
    this.refused.add(socket);
    this.afterEarlier(socket, (under) => this.refuse(socket, problemOfParser(error), under?.url ?? targetOf(error)));
  }

  /** Requests that were whole are answered first, so that nobody takes this refusal for the answer to one of them. */
  private afterEarlier(socket: Duplex, refuse: (under?: IncomingMessage) => void): void {
    const response = this.newest.get(socket);
    if (response === undefined || response.writableFinished) return refuse();
    if (response.req.complete) return void response.once('close', () => refuse());
    if (response.headersSent) return void socket.destroy();
    return refuse(response.req);
  }

  private refuse(socket: Duplex, problem: ProblemException, url: string): void {
    if (!socket.writable) return void socket.destroy();
    const { status, headers, text } = this.problems.words(problem, url);
    const fields = { ...headers, 'Content-Length': Buffer.byteLength(text), Connection: 'close' };
    const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
    // Not at once: what the client still sends unread would reset the connection before it has read this.
    const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(cut));
  }
}

function unmet(): ProblemException {
  const message = 'must be 100-continue: nothing else can be expected';
  return new ProblemException('invalid-request', `Expect: ${message}`, {
    status: 417,
    members: { errors: [{ path: 'Expect', message }] },
  });
}

function problemOfParser({ code, message: reason }: ParserError): ProblemException {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ProblemException('request-timeout', 'Send a request within 30 s, its headers within 10 s');
    case 'HPE_HEADER_OVERFLOW':
      return malformed('has more than 16 KiB of target and headers, or of trailers', 431);
    default:
      return malformed(`is not valid HTTP/1.1: ${reason.replace(/^Parse Error: /, '')}`, 400);
  }
}

function malformed(message: string, status: number): ProblemException {
  return new ProblemException('invalid-request', `The request ${message}`, {
    status,
    members: { errors: [{ path: 'the request', message }] },
  });
}

/** What a request asked for that never became one; empty where that is not in sight. */
function targetOf({ rawPacket }: ParserError): string {
  const begin = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1', 0, TARGET_BYTES) : '';
  return /^[A-Z-]+ (\S+)/.exec(begin)?.[1] ?? '';
}
