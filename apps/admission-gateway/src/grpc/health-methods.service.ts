import { Injectable } from '@nestjs/common';

import { ProblemException, ReadinessChecks } from '#service-kit';

import type { Methods } from './methods.js';

/** The whole server, and each service that probes may ask for. */
const SERVICES = ['', 'berth.v1.AdmissionService', 'berth.v1.NodeService'];

/** `grpc.health.v1.Health`: what `/health/ready` says. */
@Injectable()
export class HealthMethods {
  readonly methods: Methods = {
    Check: {
      right: 'open',
      unary: async ({ message }) => {
        const service = (message['service'] ?? '') as string;
        if (!SERVICES.includes(service)) throw new ProblemException('not-found', 'There is no such service here');
        return { status: this.status };
      },
    },
  };

  constructor(private readonly readiness: ReadinessChecks) {}

  private get status() {
    const { status } = this.readiness.read();
    return status === 'failed' || status === 'draining' ? 'NOT_SERVING' : 'SERVING';
  }
}
