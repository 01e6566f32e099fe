import type { IncomingMessage } from 'node:http';

import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { Attempts, type StoreClient } from '#session-core';

import type { Logger } from '../logging/logger.js';
import { ProblemException } from '../problems/problem.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { AuthMetrics } from './auth.metrics.js';
import type { KeyRefused } from './authenticate.js';
import { FailureLog } from './failure-log.js';
import { RequestSources } from './request-source.js';

/** While Redis does not answer, not every wrong key waits for that. */
const ASK_AGAIN_AFTER_MS = 1_000;

/**
 * Counts and logs calls without a known key, and slows the sources of wrong ones over the whole fleet. A caller with a known key never comes here, so
 * that nothing here can slow a right key.
 */
@Injectable()
export class AuthFailures implements OnApplicationShutdown {
  private readonly sources: RequestSources;
  private readonly attempts: Attempts;
  private readonly log: FailureLog;
  private askAgainAt = -Infinity;

  constructor(
    @Inject(CONFIG) { http, store }: BerthConfig,
    @Inject(LOGGER) logger: Logger,
    @Inject(REDIS) client: StoreClient,
    private readonly metrics: AuthMetrics,
  ) {
    this.sources = new RequestSources(http.trustedProxies);
    this.attempts = new Attempts({ client, deadlineMs: store.decisionDeadlineMs });
    this.log = new FailureLog(logger);
  }

  /** What the caller hears: the refusal as it is, or after too many wrong keys `too-many-attempts`. Without Redis nobody is slowed. */
  async answer(request: Pick<IncomingMessage, 'socket' | 'headers'>, refused: KeyRefused): Promise<ProblemException> {
    const source = this.sources.of(request);
    this.metrics.failed(refused.fault);
    this.log.failed(source);
    // Without a key nobody tries one; monitors that lack theirs hear so for as long as they do.
    if (refused.fault === 'missing') return refused;
    const seconds = Math.ceil((await this.slowedMs(source)) / 1_000);
    if (seconds === 0) return refused;
    return new ProblemException(
      'too-many-attempts',
      `Too many wrong keys came from this address: correct the key. A right one is served at once, for a wrong one wait ${seconds} s`,
      { headers: { 'Retry-After': String(seconds) } },
    );
  }

  onApplicationShutdown(): void {
    this.log.stop();
  }

  private async slowedMs(source: string): Promise<number> {
    if (performance.now() < this.askAgainAt) return 0;
    try {
      return await this.attempts.note(source);
    } catch {
      // Its connection logs that Redis is away.
      this.askAgainAt = performance.now() + ASK_AGAIN_AFTER_MS;
      return 0;
    }
  }
}
