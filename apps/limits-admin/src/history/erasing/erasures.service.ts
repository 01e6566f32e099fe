import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig, TenantConfig } from '#config';
import { History } from '#history-projector';
import { CONFIG, Clock, LOGGER, type Logger, type Principal, ProblemException, REDIS } from '#service-kit';
import { Books, inboxKeys, outboxOf, Traces, type StoreClient } from '#session-core';
import type { Erased, Erasure } from '#session-history';

import { settled } from './settled.js';
import { theirs } from './theirs.js';

/** Readers of streams are seldom later than a second. */
const PATIENCE_MS = 5_000;
const LOOK_EVERY_MS = 2_000;
const RETRY_MS = 30_000;

/**
 * Erases what history, and what feeds it, says of a person. One after the other in this process; what a process has begun and not finished
 * the one that writes history completes.
 */
@Injectable()
export class Erasures implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly stopping = new AbortController();
  private line: Promise<unknown> = Promise.resolve();
  private resuming: Promise<void> = Promise.resolve();

  constructor(
    private readonly history: History,
    private readonly books: Books,
    private readonly traces: Traces,
    private readonly clock: Clock,
    @Inject(REDIS) private readonly client: StoreClient,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    if (this.history.settings !== null) this.resuming = this.resume();
  }

  /** Waits for the batch at hand, no longer. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.resuming, this.line]);
  }

  /**
   * Erases what began until now under exactly this name, and returns how many rows that were. Throws `user-has-sessions` where some of it goes
   * on, `history-unavailable` where something about the person is still on its way; then nothing has been erased. A failure half-way
   * leaves the rest to `resume`; the call may be repeated.
   */
  async erase(tenant: TenantConfig, user: string, by: Principal): Promise<Erased> {
    return await this.inLine(async () => {
      const database = this.history.readable;
      await this.mustHaveNoSessions(tenant, user, null);
      const untilMs = await this.clock.nowMs();
      const { client, traces } = this;
      const late = await settled({ client, traces, tenant, user, patienceMs: PATIENCE_MS });
      if (late !== null) throw notSettled(late);
      await this.mustHaveNoSessions(tenant, user, untilMs);
      const mode = this.history.settings?.erase ?? 'pseudonymise';
      const erasure = await database.beginErasure({ tenant: tenant.name, user, mode, untilMs, by: by.id });
      if (erasure !== null) return await this.complete(erasure);
      await this.removeTraces({ tenant: tenant.name, user, untilMs });
      this.record({ tenant: tenant.name, mode, by: by.id }, NOTHING);
      return NOTHING;
    });
  }

  private async complete(erasure: Erasure): Promise<Erased> {
    const { database } = this.history;
    const { signal } = this.stopping;
    const first = await database.erase(erasure, signal);
    await this.removeTraces(erasure);
    // A reader whose group was made anew may have read an entry again before it went.
    const second = await database.erase(erasure, signal);
    if (signal.aborted) {
      throw new ProblemException('history-unavailable', 'The process stops; the rest is erased when it starts again');
    }
    await database.finishErasure(erasure);
    const erased = { sessions: first.sessions + second.sessions, refusals: first.refusals + second.refusals };
    this.record(erasure, erased);
    return erased;
  }

  /** The streams keep a tail that history has read, and would be read again if history lost its place in them. */
  private async removeTraces({ tenant: name, user, untilMs }: Pick<Erasure, 'tenant' | 'user' | 'untilMs'>) {
    const tenant = this.config.tenants[name];
    if (tenant === undefined || user === '') return;
    const streams = [...outboxOf(tenant).map(({ stream }) => stream), inboxKeys.deadLetters(name)];
    for (const stream of streams) await this.traces.remove(stream, untilMs, theirs(user, tenant.identity));
  }

  /** Live ones, or where a time is given those that had begun then. */
  private async mustHaveNoSessions(tenant: TenantConfig, user: string, begunMs: number | null): Promise<void> {
    const count =
      begunMs === null
        ? await this.books.countOfUser(tenant, user)
        : (await this.books.oldestOfUser(tenant, user, begunMs, 1)).length;
    if (count === 0) return;
    const path = `/api/sessions/users/${encodeURIComponent(user)}/sessions`;
    throw new ProblemException(
      'user-has-sessions',
      `User ${user} has live sessions, which history goes on with: end them (DELETE ${path}) and repeat the call`,
    );
  }

  /** It does not name the person: the name would be in the log then. */
  private record({ tenant, mode, by }: Pick<Erasure, 'tenant' | 'mode' | 'by'>, erased: Erased): void {
    this.logger.warn({ tenant, mode, by, ...erased }, 'History of a user erased');
  }

  /** Completes what was begun before this process, or by one that died. */
  private async resume(): Promise<void> {
    const { signal } = this.stopping;
    let hasFailed = false;
    while (!signal.aborted) {
      await pause(hasFailed ? RETRY_MS : LOOK_EVERY_MS, signal);
      if (signal.aborted || this.history.writer !== 'here') continue;
      try {
        await this.inLine(async () => {
          for (const left of await this.history.database.unfinishedErasures()) await this.complete(left);
        });
        hasFailed = false;
      } catch (error) {
        if (signal.aborted) return;
        this.logger[hasFailed ? 'debug' : 'error']({ err: error }, 'An erasure is not finished; it is tried again');
        hasFailed = true;
      }
    }
  }

  private async inLine<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.line.then(work);
    this.line = turn.catch(() => {});
    return await turn;
  }
}

const NOTHING: Erased = { sessions: 0, refusals: 0 };

function notSettled(stream: string): ProblemException {
  return new ProblemException(
    'history-unavailable',
    `Events in ${stream} are not yet read, and some may be about this user: look at berth_stream_lag, and repeat the call`,
  );
}
