import { Injectable } from '@nestjs/common';

import { HOUR_MS } from '#basics';
import { parseDurationMs } from '#config';
import type { Principal } from '#service-kit';
import { InvalidInputError } from '#session-core';
import type { HistoryFilter, HistoryQuery } from '#session-history';

import { Tenants } from '../../tenants.service.js';
import { History } from '../history.service.js';
import type { Asked, AskedPage } from './history.schema.js';

/** A window as it may be said: by its hours, under the name that the call has for them, or as a duration. */
interface AskedWindow {
  timeRange?: string | undefined;
  hours?: number | undefined;
  window_hours?: number | undefined;
}

/** What a query asks, in the words of the database. Throws InvalidInputError with the parameter's name. */
@Injectable()
export class Questions {
  constructor(
    private readonly history: History,
    private readonly tenants: Tenants,
  ) {}

  /** Which rows; for a caller that is bound to nodes, of those that are theirs. */
  filter(caller: Principal, asked: Asked): HistoryFilter {
    const tenant = this.tenants.of(caller);
    const { user, username, dest_ip: destIp, status } = asked;
    const [name, written] = saidOnce({ user, username }) ?? [];
    const windowMs = this.windowMs(asked);
    return {
      user: written === undefined ? undefined : this.tenants.user(tenant, written, name),
      destIp,
      status,
      nodes: caller.nodes ?? undefined,
      sinceMs: windowMs === undefined ? undefined : Date.now() - windowMs,
    };
  }

  page({ page, page_size, limit, sort_by, sort_dir, cursor }: AskedPage): Omit<HistoryQuery, keyof HistoryFilter> {
    const [, pageSize] = saidOnce({ page_size, limit }) ?? [];
    return { page, pageSize, sortBy: sort_by, sortDir: sort_dir, cursor };
  }

  /** How far back, milliseconds; undefined where that is not said. Nothing is known of what lies before the retention. */
  windowMs({ timeRange, hours, window_hours }: AskedWindow): number | undefined {
    const said = saidOnce<number | string>({ hours, window_hours, timeRange });
    if (said === undefined) return undefined;
    const [name, value] = said;
    const ms = typeof value === 'number' ? value * HOUR_MS : parseDurationMs(value);
    if (ms === null) throw new InvalidInputError(name, 'must be seconds, or written as 15m, 2h, 7d');
    if (ms <= 0 || ms > this.retentionMs) {
      const most = `${Math.floor(this.retentionMs / HOUR_MS)} hours, for so long history is kept`;
      throw new InvalidInputError(name, `must be more than 0, and at most ${most}`);
    }
    return ms;
  }

  /** The same, with that of the configuration where none is said. */
  windowOrUsualMs(asked: AskedWindow): number {
    return this.windowMs(asked) ?? (this.history.settings?.statsWindowHours ?? 1) * HOUR_MS;
  }

  /** Where no history is kept any window may be asked for: that there is none is what `readable` says. */
  private get retentionMs(): number {
    return this.history.settings?.retentionMs ?? Number.POSITIVE_INFINITY;
  }
}

/** Of a parameter that has several names, the one that is said and its value; undefined if none is. */
function saidOnce<T>(named: Record<string, T | undefined>): [name: string, value: T] | undefined {
  const [first, second] = Object.entries(named).filter((entry): entry is [string, T] => entry[1] !== undefined);
  if (first !== undefined && second !== undefined) {
    throw new InvalidInputError(second[0], `says the same as ${first[0]}; give one of them`);
  }
  return first;
}
