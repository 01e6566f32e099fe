import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';

import { pause } from '#basics';
import type { BerthConfig } from '#config';
import {
  CONFIG,
  LOGGER,
  ReadinessChecks,
  StoreHealth,
  type CheckResult,
  type Logger,
  type Principal,
  type TenantBooks,
} from '#service-kit';
import { shardNumbers, shardOf } from '#session-core';

import { SessionsController } from '../sessions/sessions.controller.js';
import { LimitsPublisherService } from '../limits/limits-publisher.service.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** As many calls at once as a busy fleet sends to a gateway that has just become ready. */
const AT_ONCE = 128;
/** A round that takes longer than this share of the deadline is followed by another one. */
const QUICK_SHARE = 0.2;
const MAX_ROUNDS = 12;
const RETRY_MS = 500;

/**
 * Asks for decisions that change nothing, many at once, before this gateway says that it is ready: its code is compiled then, its connections
 * to the masters are made, and the scripts are loaded on each of them. A cold gateway would make its first callers wait beyond the deadline.
 *
 * Every shard is asked. One that does not answer holds up nothing as long as another one does: it makes the gateway degraded.
 */
@Injectable()
export class WarmUpService implements OnApplicationBootstrap, OnModuleDestroy {
  private isWarm = false;
  private readonly stopping = new AbortController();
  private warming: Promise<void> = Promise.resolve();

  constructor(
    private readonly tenants: TenantsRepository,
    private readonly publisher: LimitsPublisherService,
    private readonly modules: ModuleRef,
    private readonly health: StoreHealth,
    private readonly host: HttpAdapterHost,
    readiness: ReadinessChecks,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    readiness.add({ name: 'warm_up', run: () => this.readiness() });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.publisher.publishFirst();
    await this.tryOnce();
    this.warming = this.warmUntilDone();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.warming;
  }

  private readiness(): CheckResult {
    return this.isWarm ? { status: 'ok' } : { status: 'failed', message: 'No decision was tried with success yet' };
  }

  private async warmUntilDone(): Promise<void> {
    const { signal } = this.stopping;
    while (!this.isWarm && !signal.aborted) {
      await pause(RETRY_MS, signal);
      if (!signal.aborted) await this.tryOnce();
    }
  }

  private async tryOnce(): Promise<void> {
    const asked = this.tenants.all.filter((tenant) => this.publisher.isPublished(tenant)).flatMap(questionsOf);
    if (asked.length === 0) return;
    await this.health.probes
      .loadScripts()
      .catch((error: unknown) => this.logger.debug({ err: error }, 'Scripts not loaded; their first use loads them'));
    const startedAt = performance.now();
    let answering = asked;
    let rounds = 0;
    let quick = false;
    while (!quick && rounds < MAX_ROUNDS && answering.length > 0 && !this.stopping.signal.aborted) {
      const roundAt = performance.now();
      answering = await this.round(answering);
      quick = performance.now() - roundAt < QUICK_SHARE * this.config.store.decisionDeadlineMs;
      rounds += 1;
    }
    this.isWarm = answering.length > 0;
    if (this.isWarm) this.logger.debug({ rounds, took_ms: Math.round(performance.now() - startedAt) }, 'Warmed up');
  }

  /** Asks every shard at least once, and so often that many calls are under way at once. Returns those that always answered. */
  private async round(questions: readonly Question[]): Promise<Question[]> {
    const times = Math.ceil(AT_ONCE / questions.length);
    const sessions = this.modules.get(SessionsController, { strict: false });
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    const answered = await Promise.all(
      questions.map(async ({ caller, user }) => {
        const asks = Array.from({ length: times }, async () => {
          await Promise.all([sessions.check(caller, { user }), server.inject('/health/live')]);
        });
        return (await Promise.allSettled(asks)).every(({ status }) => status === 'fulfilled');
      }),
    );
    return questions.filter((_, i) => answered[i] === true);
  }
}

/** A decision to ask for: that of a user who lives in the shard. */
interface Question {
  caller: Principal;
  user: string;
}

function questionsOf({ ref }: TenantBooks): Question[] {
  const caller: Principal = { id: 'warm-up', role: 'admin', tenant: ref.name, nodes: null, emergency: true };
  return shardNumbers(ref).map((shard) => {
    let number = 0;
    while (shardOf(ref, `warm-up-${number}`) !== shard) number += 1;
    return { caller, user: `warm-up-${number}` };
  });
}
