import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, ConfigReload, isStillKnown, ReadinessChecks, type Principal } from '#service-kit';

import type { LeaveReason } from '../commands/command-sink.js';
import type { OpenCall } from './open-call.js';

interface Stream {
  caller: Principal | null;
  end: (reason: LeaveReason) => void;
}

/** Streams would outlive what they were opened under: they end politely when the process drains or stops, their key changes, or their time is over. */
@Injectable()
export class OpenStreams {
  private readonly streams = new Set<Stream>();

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    readiness: ReadinessChecks,
    reload: ConfigReload,
  ) {
    readiness.draining.addEventListener('abort', () => this.endAll(), { once: true });
    reload.onApplied(() => {
      for (const { caller, end } of this.streams) {
        if (caller !== null && !isStillKnown(config, caller)) end('key-changed');
      }
    });
  }

  /** `end` is to end the stream, once what is under way on it has ended; it may be called more than once. */
  add(open: OpenCall, end: (reason: LeaveReason) => void): void {
    const stream = { caller: open.caller, end };
    this.streams.add(stream);
    const { maxConnectionAgeMs } = this.config.grpc;
    const aged = setTimeout(() => end('connection-age'), maxConnectionAgeMs).unref();
    open.whenOver(() => {
      clearTimeout(aged);
      this.streams.delete(stream);
    });
  }

  endAll(): void {
    for (const { end } of this.streams) end('draining');
  }
}
