import { Metadata, status, type ServerWritableStream } from '@grpc/grpc-js';

import type { Command } from '#session-core';

import type { CommandSink, LeaveReason } from '../commands/command-sink.js';
import { commandJson } from '../commands/command.mapper.js';
import type { OpenCall } from './open-call.js';
import type { Message } from './session.mapper.js';

/** The answers of WatchCommands. */
export class GrpcCommandSink implements CommandSink {
  constructor(
    readonly out: ServerWritableStream<Message, Message>,
    private readonly open: OpenCall,
  ) {}

  begin(): void {
    this.out.sendMetadata(new Metadata());
  }

  write(commands: readonly Command[]): boolean {
    let takesMore = true;
    for (const command of commands) takesMore = this.out.write({ terminate: commandJson(command) });
    return takesMore;
  }

  /** HTTP/2 has pings. */
  keepAlive(): void {}

  end(reason: LeaveReason): void {
    this.out.write({ reconnect: { reason } });
    this.out.end();
  }

  cutOff(): void {
    this.open.end({
      code: status.RESOURCE_EXHAUSTED,
      details: 'Read the stream: commands wait, and nothing was taken',
    });
    this.out.destroy();
  }
}
