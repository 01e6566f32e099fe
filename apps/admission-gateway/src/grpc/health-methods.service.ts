import { Injectable } from '@nestjs/common';

import { ProblemException, ReadinessChecks } from '#service-kit';

import type { Methods, WatchCall } from './methods.js';
import { OpenStreams } from './open-streams.service.js';
import type { Message } from './session.mapper.js';

/** The whole server, and each service that probes may ask for. */
const SERVICES = ['', 'berth.v1.AdmissionService', 'berth.v1.NodeService', 'b2bua.v1.B2BUACallService'];

/** As often as the process looks at itself. */
const LOOK_MS = 1_000;
/** They need no key. */
const MAX_WATCHERS = 1_000;

/** `grpc.health.v1.Health`: what `/health/ready` says. */
@Injectable()
export class HealthMethods {
  readonly methods: Methods = {
    Check: {
      right: 'open',
      unary: async ({ message }) => {
        if (!isKnown(message)) throw new ProblemException('not-found', 'There is no such service here');
        return { status: this.status };
      },
    },
    Watch: { right: 'open', watch: (call) => this.watch(call) },
  };
  private watchers = 0;

  constructor(
    private readonly readiness: ReadinessChecks,
    private readonly streams: OpenStreams,
  ) {}

  private get status() {
    const { status } = this.readiness.read();
    return status === 'failed' || status === 'draining' ? 'NOT_SERVING' : 'SERVING';
  }

  private watch({ message, open, out }: WatchCall): void {
    if (this.watchers >= MAX_WATCHERS) {
      throw new ProblemException('too-many-requests', `${MAX_WATCHERS} streams of health are open here; ask by Check`);
    }
    this.watchers += 1;
    let last = '';
    const look = () => {
      const status = isKnown(message) ? this.status : 'SERVICE_UNKNOWN';
      if (status !== last) out.write({ status: (last = status) });
    };
    const looking = setInterval(look, LOOK_MS).unref();
    open.whenOver(() => {
      clearInterval(looking);
      this.watchers -= 1;
    });
    this.streams.add(open, () => {
      if (out.writableEnded) return;
      look();
      out.end();
    });
    look();
  }
}

function isKnown({ service = '' }: Message): boolean {
  return SERVICES.includes(service as string);
}
