import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';

import type { Command } from '#session-core';

import { commandEvent } from './command.mapper.js';

/**
 * What a client hears last. `draining`: the gateway stops, come back, which leads to another one. `key-changed`: come back, and be judged anew.
 * `connection-age`: come back, perhaps to another gateway.
 */
export type LeaveReason = 'draining' | 'key-changed' | 'connection-age';

/** Where the commands of a stream go. */
export interface CommandSink {
  readonly out: Writable;
  begin(): void;
  /** False: wait until `out` has drained. */
  write(commands: readonly Command[]): boolean;
  /** A sign of life, where the transport has none of its own. */
  keepAlive(): void;
  /** The last word. */
  end(reason: LeaveReason): void;
  /** For a client that takes nothing. */
  cutOff(): void;
}

/** How soon a client that lost its connection should come back, milliseconds. */
const RECONNECT = 'retry: 1000\n\n';

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // A client that comes back shall not come over this connection, which leads to the gateway that it was sent away from.
  Connection: 'close',
  // nginx would hold events back until its buffer is full.
  'X-Accel-Buffering': 'no',
};

/** Server-sent events. */
export class EventSink implements CommandSink {
  constructor(readonly out: ServerResponse) {}

  begin(): void {
    this.out.writeHead(200, HEADERS);
    this.out.write(RECONNECT);
  }

  write(commands: readonly Command[]): boolean {
    return this.out.write(commands.map(commandEvent).join(''));
  }

  /** Proxies close a silent connection. */
  keepAlive(): void {
    if (!this.out.writableNeedDrain) this.out.write(':\n\n');
  }

  end(reason: LeaveReason): void {
    this.out.end(`event: reconnect\ndata: ${JSON.stringify({ reason })}\n\n`);
  }

  cutOff(): void {
    this.out.destroy();
  }
}
