import { isVague, type StoreFaultCode } from '#session-core';

import type { CheckResult } from './readiness.js';

/** So long none may be decided before the process calls itself unready: a failover of Redis takes seconds, and no caller gains by fleeing. */
const NONE_FOR_MS = 5_000;
/** A key of a foreign type may be one of many: decisions of other users do not mean that it is gone. */
const FOREIGN_KEY_MS = 5_000;
const MAX_NAMED = 20;

export interface ShardFailure {
  tenant: string;
  shard: number;
  /** For people, see the table of store faults. */
  cause: string;
  code: StoreFaultCode | null;
}

interface Failing extends ShardFailure {
  sinceMs: number;
  latestMs: number;
}

/** What changed by an observation: nothing, or a shard that began to fail (or fails for a cause that says more), or works again. */
export type Change = { kind: 'none' } | { kind: 'began' } | { kind: 'ended'; afterMs: number };

const NO_CHANGE: Change = { kind: 'none' };

/** Which shards can be decided, as far as this process has seen. Times are those of a clock that never jumps, milliseconds. */
export class ShardStates {
  private readonly failing = new Map<string, Failing>();
  private readonly seen = new Set<string>();

  /** `shards` is how many there are, of all tenants. */
  constructor(private readonly shards: number) {}

  /** Whether a decision says something new; cheap, it is asked for each one. */
  get allWell(): boolean {
    return this.failing.size === 0 && this.seen.size === this.shards;
  }

  decided(tenant: string, shard: number, nowMs: number): Change {
    const key = shardName(tenant, shard);
    this.seen.add(key);
    const failing = this.failing.get(key);
    if (failing === undefined) return NO_CHANGE;
    if (failing.code === 'WRONGTYPE' && nowMs - failing.latestMs < FOREIGN_KEY_MS) return NO_CHANGE;
    this.failing.delete(key);
    return { kind: 'ended', afterMs: Math.round(nowMs - failing.sinceMs) };
  }

  failed(failure: ShardFailure, nowMs: number): Change {
    const key = shardName(failure.tenant, failure.shard);
    const known = this.failing.get(key);
    // A connection that is made anew again and again is lost in between: what its server answered is the cause.
    const { cause, code } = known !== undefined && isVague(failure.code) ? known : failure;
    this.failing.set(key, { ...failure, cause, code, sinceMs: known?.sinceMs ?? nowMs, latestMs: nowMs });
    const saysMore = known === undefined || (isVague(known.code) && !isVague(code));
    return saysMore ? { kind: 'began' } : NO_CHANGE;
  }

  /** `failed` before the first decision anywhere, and when there was none for five seconds; `degraded` while some fail. */
  result(nowMs: number): CheckResult {
    const failing = [...this.failing.values()];
    if (this.seen.size === 0) {
      return { status: 'failed', message: 'Nothing could be decided yet', ...(failing.length > 0 && named(failing)) };
    }
    if (failing.length === 0) return { status: 'ok' };
    const someWork = [...this.seen].some((shard) => !this.failing.has(shard));
    const noneForMs = someWork ? 0 : nowMs - Math.max(...failing.map(({ sinceMs }) => sinceMs));
    return { status: noneForMs >= NONE_FOR_MS ? 'failed' : 'degraded', ...named(failing) };
  }
}

export function shardName(tenant: string, shard: number): string {
  return `${tenant}/${shard}`;
}

function named(failing: readonly Failing[]) {
  const shown = failing.slice(0, MAX_NAMED).map(({ tenant, shard, cause }) => ({ tenant, shard, cause }));
  return { failing_shards: failing.length, failing: shown };
}
