import { HOUR_MS } from '#basics';

import type { LimitState, Rate } from '../src/model/limit.js';
import type { LimitsLayer } from '../src/model/limits-document.js';
import type { Caller } from './limits.model.js';

/** What has been admitted lately, as plain lists: of each address, and how far ahead the calls of users and groups are paid for. */
export class RatesModel {
  /** Admissions of each address. */
  readonly logs = new Map<string, { admission: string; atMs: number }[]>();
  /** By `user:<name>` and `group:<kind:name>`: until when (ms). */
  readonly paid = new Map<string, number>();

  /** The rates that have no room for one more of a caller in these groups. */
  full(limits: LimitsLayer, now: number, caller: Caller, groups: string[]): LimitState[] {
    const full: LimitState[] = [];
    const max = limits.maxSessionsPerIpPerHour ?? 0;
    const log = this.logOf(caller).filter((atMs) => atMs > now - HOUR_MS && atMs <= now + HOUR_MS);
    if (max > 0 && log.length >= max) {
      const first = log.toSorted((a, b) => a - b)[log.length - max] ?? 0;
      const observed = limits.details?.['ip']?.observe === true;
      const state = { scope: 'ip', key: caller.address, max, active: log.length } as const;
      full.push({ ...state, retryAfterMs: first + HOUR_MS - now, ...(observed && { observed }) });
    }
    for (const { scope, key, rate } of ratesOf(limits, caller.user, groups)) {
      const each = eachMs(rate);
      const owed = this.paidUntil(now, `${scope}:${key}`, rate) - now;
      const waits = owed - (rate.burst - 1) * each;
      const state = { scope, key, max: rate.burst, active: Math.ceil(owed / each) };
      if (waits > 0) full.push({ ...state, retryAfterMs: waits });
    }
    return full;
  }

  /** Counts an admission. */
  take(limits: LimitsLayer, now: number, caller: Caller, groups: string[]): void {
    if ((limits.maxSessionsPerIpPerHour ?? 0) > 0) {
      const log = (this.logs.get(caller.address) ?? []).filter(({ atMs }) => atMs > now - HOUR_MS);
      this.logs.set(caller.address, [...log, { admission: admissionOf(caller, now), atMs: now }]);
    }
    for (const { scope, key, rate } of ratesOf(limits, caller.user, groups)) {
      const paid = this.paidUntil(now, `${scope}:${key}`, rate) + eachMs(rate);
      this.paid.set(`${scope}:${key}`, Math.min(paid, now + rate.burst * eachMs(rate)));
    }
  }

  /** Takes an admission out that began then. */
  giveBack(limits: LimitsLayer, now: number, caller: Caller, groups: string[], startedAtMs: number): void {
    const log = this.logs.get(caller.address) ?? [];
    this.logs.set(
      caller.address,
      log.filter(({ admission }) => admission !== admissionOf(caller, startedAtMs)),
    );
    for (const { scope, key, rate } of ratesOf(limits, caller.user, groups)) {
      const paid = this.paid.get(`${scope}:${key}`) ?? 0;
      if (paid <= now) continue;
      const left = paid - eachMs(rate);
      if (left > now) this.paid.set(`${scope}:${key}`, left);
      else this.paid.delete(`${scope}:${key}`);
    }
  }

  private logOf({ address }: Caller): number[] {
    return (this.logs.get(address) ?? []).map(({ atMs }) => atMs);
  }

  /** Further ahead than a whole burst it cannot be: then the clock stepped back, or the rate was raised, and one call more is let in. */
  private paidUntil(now: number, key: string, rate: Rate): number {
    const paid = Math.max(now, this.paid.get(key) ?? 0);
    return paid > now + rate.burst * eachMs(rate) ? now + (rate.burst - 1) * eachMs(rate) : paid;
  }
}

function ratesOf({ userRate, groups: kinds = {} }: LimitsLayer, user: string, groups: string[]) {
  const ofGroups = groups.map((group) => {
    const [kind = '', name = ''] = group.split(':');
    return { scope: 'group' as const, key: group, rate: kinds[kind]?.rates?.[name] ?? kinds[kind]?.rate };
  });
  const all = [{ scope: 'user' as const, key: user, rate: user === '' ? undefined : userRate }, ...ofGroups];
  return all.flatMap(({ rate, ...of }) => (rate === undefined || rate.perSecond <= 0 ? [] : [{ ...of, rate }]));
}

/** The rates of these tests take a whole number of milliseconds for a call. */
function eachMs({ perSecond }: Rate): number {
  return Math.round(1_000 / perSecond);
}

function admissionOf({ id, attempt }: Caller, atMs: number): string {
  return `${id}/${attempt}/admitted/${atMs}`;
}
