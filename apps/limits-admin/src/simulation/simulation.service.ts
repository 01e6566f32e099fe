import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Books, effectiveLimits, type LimitKey } from '#session-core';

import { inTurns, sortedInTurns } from '../in-turns.js';
import { LimitsService } from '../limits/limits.service.js';
import { refuseNewProblems } from '../limits/new-problems.js';
import { Line, type LineCaller } from './line.js';
import { proposedKeys, withProposed, type ProposedLimits } from './proposed.js';
import { byOver, inOrder, Replay, type ReplayedSession, type SimulationResult } from './simulate.js';

export interface Simulation extends SimulationResult {
  /** The limits that the proposal is about; others may be in the answer too. */
  changed: LimitKey[];
  /** Rates (of users, groups and addresses) are not replayed. */
  rates_replayed: false;
  /** The version of the limits that the proposal was laid over. */
  version: number;
}

/** Who asks, and until when. */
export interface SimulationCaller extends LineCaller {
  /** The caller has left. */
  signal: AbortSignal;
}

/** Sessions through the replay at once: a session in eight groups with four above each is in 42 limits, some 50 us. */
const PER_TURN = 100;

/** What a change of limits would have meant for the sessions that are live now. Changes nothing. */
@Injectable()
export class SimulationService {
  private readonly line = new Line();

  constructor(
    private readonly books: Books,
    private readonly limits: LimitsService,
  ) {}

  /**
   * One after the other in this process, a few may wait. Null where the caller has left. Never holds the event loop for long. Throws
   * `too-many-requests`.
   */
  async run(tenant: TenantConfig, proposed: ProposedLimits, caller: SimulationCaller): Promise<Simulation | null> {
    const { signal } = caller;
    return await this.line.run(caller, signal, async () => await this.replay(tenant, proposed, signal));
  }

  private async replay(tenant: TenantConfig, proposed: ProposedLimits, signal: AbortSignal): Promise<Simulation> {
    const { document, limits, nowMs } = await this.limits.current(tenant);
    const after = effectiveLimits({ ...document, api: withProposed(document, proposed) });
    refuseNewProblems(limits, after, tenant.shards);
    const replay = new Replay(after, nowMs);
    const sessions = await sortedInTurns(await this.live(tenant, signal), inOrder, signal);
    await inTurns(sessions, PER_TURN, (session) => replay.take(session), signal);
    const over: ReturnType<typeof replay.result>['over'] = [];
    await inTurns(replay.over(), PER_TURN, (one) => over.push(one), signal);
    const result = replay.result(await sortedInTurns(over, byOver, signal));
    const { version } = document;
    return { ...result, changed: proposedKeys(document, proposed), rates_replayed: false, version };
  }

  /** Every live session once. */
  private async live(tenant: TenantConfig, signal: AbortSignal): Promise<ReplayedSession[]> {
    const found: ReplayedSession[] = [];
    const seen = new Set<string>();
    for await (const sessions of this.books.allSessions(tenant)) {
      signal.throwIfAborted();
      for (const { id, user, groups, priority, startedAtMs } of sessions) {
        // A look at a large set may show one twice; the same id may live in two shards.
        const name = tenant.shards === 1 ? id : `${user}\n${id}`;
        if (seen.has(name)) continue;
        seen.add(name);
        found.push({ id, user, groups, priority, startedAtMs });
      }
    }
    return found;
  }
}
