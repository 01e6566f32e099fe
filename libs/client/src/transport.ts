import type { Command, Operations } from './generated/operations.js';

/** One call of one operation of a gateway or of limits-admin, whatever carries it. */
export interface Call {
  operation: keyof Operations;
  params?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string | undefined>>;
  body?: unknown;
}

/** What a gateway answered, in the words of HTTP: a transport that has others translates. */
export interface Answer {
  status: number;
  /** Of a 2xx what the operation answers, of others a problem; undefined where there is no JSON. */
  body: unknown;
  /** What the gateway asks for before the next call; milliseconds. */
  retryAfterMs: number | null;
}

export interface SendOptions {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** The way to one gateway. */
export interface Transport {
  /** Sends a call, once. Rejects with NoAnswer, and then the connection it went over is closed, so that the gateway knows. */
  send(call: Call, options: SendOptions): Promise<Answer>;
  /**
   * Commands of a node as they come, until the gateway ends the stream or it has been silent for too long. Rejects with NoAnswer, or with
   * BerthError where the gateway has none for this caller.
   */
  watch(node: string, signal: AbortSignal): AsyncIterable<Command>;
  /** Closes connections that are idle: they may lead nowhere. */
  dropIdle(): void;
  close(): void;
}

/** A call that nobody answered. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';

  constructor(
    message: string,
    /** Whether the gateway may have got it. */
    readonly sent: boolean,
    /** Whether the connection had been kept from an earlier call, and was closed before this one reached anybody. */
    readonly stale: boolean,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}
