import { setImmediate } from 'node:timers/promises';

import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#service-kit';
import { Books, effectiveLimits, type LimitKey } from '#session-core';

import { LimitsService } from '../limits/limits.service.js';
import { refuseNewProblems } from '../limits/new-problems.js';
import { byStart } from './by-start.js';
import { proposedKeys, withProposed, type ProposedLimits } from './proposed.js';
import { Replay, type ReplayedSession, type SimulationResult } from './simulate.js';

export interface Simulation extends SimulationResult {
  /** The limits that the proposal is about; others may be in the answer too. */
  changed: LimitKey[];
  /** Rates (of users, groups and addresses) are not replayed. */
  rates_replayed: false;
  /** The version of the limits that the proposal was laid over. */
  version: number;
}

/** So many sessions from Redis at once, and through the replay at once. */
const PER_TURN = 500;

/** What a change of limits would have meant for the sessions that are live now. Changes nothing. */
@Injectable()
export class SimulationService {
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly books: Books,
    private readonly limits: LimitsService,
  ) {}

  /** One after the other in this process: each holds all sessions of a tenant in memory. */
  async run(tenant: TenantConfig, proposed: ProposedLimits): Promise<Simulation> {
    const run = async () => await this.replay(tenant, proposed);
    const result = this.turn.then(run, run);
    this.turn = result.catch(() => undefined);
    return await result;
  }

  private async replay(tenant: TenantConfig, proposed: ProposedLimits): Promise<Simulation> {
    const { document, limits, nowMs } = await this.limits.current(tenant);
    const after = effectiveLimits({ ...document, api: withProposed(document, proposed) });
    refuseNewProblems(limits, after, tenant.shards);
    const replay = new Replay(after, nowMs);
    const sessions = await byStart(await this.live(tenant));
    for (let from = 0; from < sessions.length; from += PER_TURN) {
      for (const session of sessions.slice(from, from + PER_TURN)) replay.take(session);
      await setImmediate();
    }
    const { version } = document;
    return { ...replay.result(), changed: proposedKeys(document, proposed), rates_replayed: false, version };
  }

  /** Every live session once, in pages as they come. */
  private async live(tenant: TenantConfig): Promise<ReplayedSession[][]> {
    const pages: ReplayedSession[][] = [];
    const seen = new Set<string>();
    for (let cursor: string | null = null; ;) {
      const { sessions, nextCursor } = await this.books.sessions(tenant, {}, cursor, PER_TURN);
      const fresh: ReplayedSession[] = [];
      for (const { id, user, groups, priority, startedAtMs } of sessions) {
        // A page of a large set may repeat what an earlier one had; the same id may live in two shards.
        const name = tenant.shards === 1 ? id : `${user}\n${id}`;
        if (seen.has(name)) continue;
        seen.add(name);
        fresh.push({ id, user, groups, priority, startedAtMs });
      }
      pages.push(fresh);
      if (nextCursor === null) return pages;
      cursor = nextCursor;
    }
  }
}
