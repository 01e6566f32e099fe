import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Metrics } from '../metrics/metrics.service.js';
import { KEY_FAULTS, type KeyFault } from './authenticate.js';

@Injectable()
export class AuthMetrics {
  private readonly failures: Counter<'reason'>;

  constructor(metrics: Metrics) {
    this.failures = metrics.counter(
      'berth_auth_failures_total',
      'Calls without a known key: it was missing, malformed or unknown.',
      ['reason'],
    );
    for (const reason of KEY_FAULTS) this.failures.inc({ reason }, 0);
  }

  failed(reason: KeyFault): void {
    this.failures.inc({ reason });
  }
}
