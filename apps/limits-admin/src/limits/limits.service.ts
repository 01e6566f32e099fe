import { hostname } from 'node:os';

import { Inject, Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Clock, LOGGER, type Logger, type Principal } from '#service-kit';
import {
  effectiveLimits,
  LimitsConflictError,
  LimitsStore,
  type EffectiveLimits,
  type LimitOrigin,
  type LimitsDocument,
  type LimitsLayer,
} from '#session-core';

import { withoutExpired } from './layer.js';
import type { Layers } from './layer-edits.js';
import { refuseTooMany } from './max-limits.js';
import { refuseNewProblems } from './new-problems.js';

/** The limits at a moment of the Redis clock. */
export interface CurrentLimits {
  document: LimitsDocument;
  limits: EffectiveLimits;
  nowMs: number;
}

export interface LimitsEdit {
  by: Principal;
  reason: string | null;
  /** What the line in the log says of it. */
  what: Record<string, unknown>;
  /** The layer of the API after the change. Throws InvalidInputError for what cannot be set. */
  edit: (layers: Layers, origin: LimitOrigin) => LimitsLayer;
  /** The version that the operator has seen; the change is refused if others have changed the limits since. */
  version?: number | undefined;
}

export interface EditedLimits {
  before: EffectiveLimits;
  after: EffectiveLimits;
  nowMs: number;
}

/**
 * The limits of a tenant, as operators change them. What a change has set holds for the next decision of every gateway when it returns, and
 * survives restarts: it is kept in Redis, above what the file says.
 */
@Injectable()
export class LimitsService {
  private readonly publisher = `limits-admin ${hostname()}`;
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: LimitsStore,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The document in force. Where nobody has published a file yet, that of this process is published first. */
  async document(tenant: TenantConfig): Promise<LimitsDocument> {
    const document = await this.store.read(tenant);
    if (document.publishedBy !== null) return document;
    await this.store.publishFile(tenant, tenant.limits, this.publisher);
    return await this.store.read(tenant);
  }

  async current(tenant: TenantConfig): Promise<CurrentLimits> {
    const document = await this.document(tenant);
    return { document, limits: effectiveLimits(document), nowMs: await this.clock.nowMs() };
  }

  /**
   * Makes one change, whole or not at all. An edit that changes nothing leaves the version alone.
   *
   * Throws `invalid-request` for limits that cannot be, naming each path; `too-many-limits`; LimitsConflictError where others were faster.
   */
  async change(tenant: TenantConfig, { by, reason, what, edit, version }: LimitsEdit): Promise<EditedLimits> {
    const edited = await this.inTurn(tenant, async () => {
      // A change on top of nothing would hide the file until a gateway starts again.
      const { document: read, limits, nowMs } = await this.current(tenant);
      if (version !== undefined && version !== read.version) throw changedMeanwhile(`; it is ${read.version} now`);
      const origin = { by: by.id, atMs: nowMs, reason };
      let before = limits;
      const next = (api: LimitsLayer): LimitsLayer => {
        if (version !== undefined && !isSame(api, read.api)) throw changedMeanwhile('');
        before = effectiveLimits({ ...read, api });
        const layer = withoutExpired(edit({ file: read.file, api }, origin), nowMs);
        refuseTooMany(api, layer);
        refuseNewProblems(before, effectiveLimits({ ...read, api: layer }), tenant.shards);
        return layer;
      };
      if (isSame(next(read.api), read.api)) return { before, after: before, nowMs };
      const document = await this.store.change(tenant, next, { by: by.id, reason });
      return { before, after: effectiveLimits(document), nowMs };
    });
    const { version: inForce } = edited.after;
    if (edited.after !== edited.before) {
      this.logger.info({ tenant: tenant.name, by: by.id, version: inForce, reason, ...what }, 'Limits changed');
    }
    return edited;
  }

  /** One change after the other: those of one process, say of an import of users, must not lose races to each other. */
  private async inTurn<T>(tenant: TenantConfig, change: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(tenant.name) ?? Promise.resolve()).then(change, change);
    this.turns.set(tenant.name, turn);
    return await turn;
  }
}

function isSame(a: LimitsLayer, b: LimitsLayer): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function changedMeanwhile(now: string): LimitsConflictError {
  return new LimitsConflictError(`The limits have another version than the body says${now}; read them again`);
}
