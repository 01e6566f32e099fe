import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Metrics } from '#service-kit';

@Injectable()
export class CommandsMetrics {
  private readonly abandoned: Counter;
  private readonly requests: Counter<'outcome'>;

  constructor(metrics: Metrics) {
    this.abandoned = metrics.counter(
      'berth_commands_given_up_total',
      'Commands that their nodes did not acknowledge in a day.',
    );
    this.requests = metrics.counter(
      'berth_webhook_requests_total',
      'Requests to webhooks, by outcome: accepted (a 2xx answer) or failed.',
      ['outcome'],
    );
  }

  givenUp(count: number): void {
    this.abandoned.inc(count);
  }

  webhookRequest(outcome: 'accepted' | 'failed'): void {
    this.requests.inc({ outcome });
  }
}
