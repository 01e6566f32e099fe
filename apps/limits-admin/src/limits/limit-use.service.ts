import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Books, type LimitKey } from '#session-core';

import { TerminationService } from '../sessions/termination.service.js';
import type { OnLower } from './fields.schema.js';
import { groupLimit, totalLimit, userLimit, type LimitInForce } from './in-force.js';
import type { ChangeRequest } from './limit-changes.service.js';
import type { EditedLimits } from './limits.service.js';

/** A limit that has more live sessions than it allows. */
export interface OverUsed {
  /** `total`, `user:alice` or `group:trunk:west`, also where the number is that of all users or of a class or kind. */
  key: LimitKey;
  limit: number;
  activeSessions: number;
  over: number;
  /** Only measured: nothing is refused, and nothing ended. */
  observed?: true;
  /**
   * The user may be of a class that only its admissions name, and above nothing: the books do not keep such a class. Nothing is ended for this
   * limit.
   */
  class_unknown?: true;
}

/** What a change has left above its limits, and what becomes of it. */
export interface Consequences {
  /** At most 1,000, those furthest above first. */
  in_use: OverUsed[];
  in_use_omitted?: number;
  /** `drain`: they end by themselves, and no new ones start meanwhile. `trim_now`: `terminated` were ended at once. */
  on_lower: OnLower;
  terminated?: number;
}

const MAX_SHOWN = 1_000;

/** What is in use of the limits that a change was about. */
@Injectable()
export class LimitUse {
  constructor(
    private readonly books: Books,
    private readonly termination: TerminationService,
  ) {}

  async after(
    tenant: TenantConfig,
    edited: EditedLimits,
    keys: LimitKey[],
    { on_lower: onLower, by }: ChangeRequest,
  ): Promise<Consequences> {
    const over = (await this.overUsed(tenant, edited, keys)).toSorted((a, b) => b.over - a.over);
    const in_use = over.slice(0, MAX_SHOWN);
    const shown = { in_use, ...(over.length > in_use.length && { in_use_omitted: over.length - in_use.length }) };
    if (onLower === 'drain') return { ...shown, on_lower: onLower };
    let terminated = 0;
    for (const { key, observed = false, class_unknown: unsure = false } of over) {
      if (!observed && !unsure) terminated += await this.termination.ofLimit(tenant, key, by);
    }
    return { ...shown, on_lower: onLower, terminated };
  }

  private async overUsed(tenant: TenantConfig, edited: EditedLimits, keys: LimitKey[]): Promise<OverUsed[]> {
    const { before, after, nowMs } = edited;
    if (!after.enabled) return [];
    // Where limits were off, all of them are new.
    const all = !before.enabled;
    const changed = new Set(keys);
    const isChanged = (key: LimitKey) => all || changed.has(key);
    const hasChanged = (...prefixes: string[]) =>
      all || keys.some((key) => prefixes.some((prefix) => key.startsWith(prefix)));
    const found: OverUsed[] = [];
    if (isChanged('total')) found.push(...rowOf('total', totalLimit(after, nowMs), await this.books.total(tenant)));
    if (isChanged('user') || hasChanged('class:', 'user:')) {
      const ofMany = isChanged('user') || hasChanged('class:');
      const users = ofMany ? await this.books.users(tenant) : await this.named(tenant, keys);
      for (const { user, activeSessions } of users) {
        const limit = userLimit(after, user, nowMs);
        const concerned = [`user:${user}`, limit.key, userLimit(before, user, nowMs).key].some(isChanged);
        const unsure = limit.key === 'user' && Object.keys(after.classes).length > 0;
        if (concerned) found.push(...rowOf(`user:${user}`, limit, activeSessions, unsure));
      }
    }
    if (hasChanged('kind:', 'group:')) {
      for (const { group, activeSessions } of await this.books.groups(tenant)) {
        const limit = groupLimit(after, group, nowMs);
        const concerned = [`group:${group}`, limit.key, groupLimit(before, group, nowMs).key].some(isChanged);
        if (concerned) found.push(...rowOf(`group:${group}`, limit, activeSessions));
      }
    }
    return found;
  }

  private async named(tenant: TenantConfig, keys: LimitKey[]) {
    const users = keys.flatMap((key) => (key.startsWith('user:') ? [key.slice('user:'.length)] : []));
    const counted = [];
    for (const user of users) counted.push({ user, activeSessions: await this.books.countOfUser(tenant, user) });
    return counted;
  }
}

function rowOf(key: LimitKey, { max, observed }: LimitInForce, activeSessions: number, unsure = false): OverUsed[] {
  if (max === 0 || activeSessions <= max) return [];
  const notes = { ...(observed && { observed }), ...(unsure && { class_unknown: unsure }) };
  return [{ key, limit: max, activeSessions, over: activeSessions - max, ...notes }];
}
