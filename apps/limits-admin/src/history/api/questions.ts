import { Injectable } from '@nestjs/common';

import { HOUR_MS } from '#basics';
import { parseDurationMs } from '#config';
import { History } from '#history-projector';
import type { Principal } from '#service-kit';
import { InvalidInputError } from '#session-core';
import type { HistoryFilter, HistoryQuery } from '#session-history';

import { Tenants } from '../../tenants.service.js';
import type { Asked, AskedPage } from './history.schema.js';

/** A window as it may be given: by its hours, under the name that the call has for them, or as a duration. */
interface AskedWindow {
  timeRange?: string | undefined;
  hours?: number | undefined;
  window_hours?: number | undefined;
}

/** From when to when, milliseconds, half open. */
interface AskedSpan extends AskedWindow {
  from?: number | undefined;
  to?: number | undefined;
}

/** What a query asks, in the words of the database. Throws InvalidInputError with the parameter's name. */
@Injectable()
export class Questions {
  constructor(
    private readonly history: History,
    private readonly tenants: Tenants,
  ) {}

  /** Which rows; for a caller that is bound to nodes, of those that are theirs. */
  filter(caller: Principal, asked: Partial<Asked>): HistoryFilter {
    const tenant = this.tenants.of(caller);
    const { user, username } = asked;
    const [name, written] = onlyOneOf({ user, username }) ?? [];
    return {
      sessionId: asked.session_id,
      correlationId: asked.correlation_id,
      user: written === undefined ? undefined : this.tenants.user(tenant, written, name),
      sourceIp: asked.source_ip,
      group: asked.group,
      destIp: asked.dest_ip,
      node: asked.node,
      status: asked.status,
      nodes: caller.nodes ?? undefined,
      ...this.span(asked, Date.now()),
    };
  }

  /** From when to when: back from now, or between two times. */
  private span({ from, to, ...window }: AskedSpan, nowMs: number): Pick<HistoryFilter, 'sinceMs' | 'untilMs'> {
    const windowMs = this.windowMs(window);
    if (from === undefined && to === undefined) {
      return { sinceMs: windowMs === undefined ? undefined : nowMs - windowMs, untilMs: undefined };
    }
    const first = from === undefined ? 'to' : 'from';
    if (windowMs !== undefined) {
      throw new InvalidInputError(first, 'goes without hours and timeRange: say how far back, or from when to when');
    }
    if (from !== undefined && to !== undefined && from >= to) {
      throw new InvalidInputError('to', 'must be later than from: what began at from is in, what began at to is not');
    }
    if ((from ?? 0) > nowMs) throw new InvalidInputError('from', 'must not be in the future');
    if ((from ?? to ?? 0) < nowMs - this.retentionMs) {
      throw new InvalidInputError(first, `must be at most ${this.kept} ago, for so long history is kept`);
    }
    return { sinceMs: from, untilMs: to };
  }

  page({ page, page_size, limit, sort_by, sort_dir, cursor }: AskedPage): Omit<HistoryQuery, keyof HistoryFilter> {
    const [, pageSize] = onlyOneOf({ page_size, limit }) ?? [];
    return { page, pageSize, sortBy: sort_by, sortDir: sort_dir, cursor };
  }

  /** How far back, milliseconds; undefined where that is not given. Nothing is known of what lies before the retention. */
  windowMs({ timeRange, hours, window_hours }: AskedWindow): number | undefined {
    const window = onlyOneOf<number | string>({ hours, window_hours, timeRange });
    if (window === undefined) return undefined;
    const [name, value] = window;
    const ms = typeof value === 'number' ? value * HOUR_MS : parseDurationMs(value);
    if (ms === null) throw new InvalidInputError(name, 'must be seconds, or written as 15m, 2h, 7d');
    if (ms <= 0 || ms > this.retentionMs) {
      throw new InvalidInputError(name, `must be more than 0, and at most ${this.kept}, for so long history is kept`);
    }
    return ms;
  }

  /** The same, with that of the configuration where none is given. */
  windowOrUsualMs(asked: AskedWindow): number {
    return this.windowMs(asked) ?? (this.history.settings?.statsWindowHours ?? 1) * HOUR_MS;
  }

  private get kept(): string {
    return `${Math.floor(this.retentionMs / HOUR_MS)} hours`;
  }

  /** Where no history is kept any window may be asked for: that there is none is what `readable` says. */
  private get retentionMs(): number {
    return this.history.settings?.retentionMs ?? Number.POSITIVE_INFINITY;
  }
}

/** Of a parameter that has several names, the one that is given and its value; undefined if none is. */
function onlyOneOf<T>(named: Record<string, T | undefined>): [name: string, value: T] | undefined {
  const [first, second] = Object.entries(named).filter((entry): entry is [string, T] => entry[1] !== undefined);
  if (first !== undefined && second !== undefined) {
    throw new InvalidInputError(second[0], `says the same as ${first[0]}; give one of them`);
  }
  return first;
}
