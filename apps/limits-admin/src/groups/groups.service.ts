import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import {
  ancestorsOf,
  Books,
  groupParts,
  InvalidInputError,
  type EffectiveLimits,
  type GroupCount,
} from '#session-core';

import { inTurns, pageInTurns } from '../in-turns.js';
import { groupLimit } from '../limits/in-force.js';
import { own } from '../limits/layer.js';
import { LimitsService, type CurrentLimits } from '../limits/limits.service.js';
import { originView, rateView, temporaryView } from '../limits/limits.view.js';
import type { GroupsQuery } from './groups.schema.js';

export type GroupView = ReturnType<typeof groupView>;
export type KindView = ReturnType<typeof kindView>;

export interface KindPage {
  kinds: KindView[];
  totalKinds: number;
}

export interface GroupPage {
  groups: GroupView[];
  total: number;
  page: number;
  limit: number;
}

/** Anybody who admits makes groups: however many there are, others work in between. */
const LOOKED_AT_PER_TURN = 2_000;

/** Which groups there are, how many sessions each has, and how many it may have. */
@Injectable()
export class GroupsService {
  constructor(
    private readonly books: Books,
    private readonly limits: LimitsService,
  ) {}

  /**
   * A page of the kinds that are configured or have live sessions, by name, and one of the groups that have live sessions or settings of their
   * own, those with most sessions first: the same page and limit of both.
   */
  async page(tenant: TenantConfig, query: GroupsQuery): Promise<KindPage & GroupPage> {
    const { current, counts } = await this.read(tenant);
    const kinds = new Set(Object.keys(current.limits.groups));
    await inTurns(counts, LOOKED_AT_PER_TURN, ({ group }) => kinds.add(groupParts(group).kind));
    const shown = await pageInTurns([...kinds], (a, b) => (a < b ? -1 : 1), query);
    return {
      kinds: shown.map((kind) => kindView(current, kind)),
      totalKinds: kinds.size,
      ...(await pageOf(current, counts, query)),
    };
  }

  /** One kind, and a page of its groups. */
  async ofKind(tenant: TenantConfig, kind: string, query: GroupsQuery): Promise<KindView & GroupPage> {
    const { current, counts } = await this.read(tenant, kind);
    return { ...kindView(current, kind), ...(await pageOf(current, counts, query)) };
  }

  async one(tenant: TenantConfig, group: string): Promise<GroupView> {
    const [current, activeSessions] = await Promise.all([
      this.limits.current(tenant),
      this.books.countOfGroup(tenant, group),
    ]);
    return groupView(current, { group, activeSessions });
  }

  /** Throws InvalidInputError for a kind that is not configured: a group of a misspelt kind would limit nobody. */
  async assertConfigured(tenant: TenantConfig, kind: string): Promise<void> {
    const { limits } = await this.limits.current(tenant);
    if (own(limits.groups, kind) !== undefined) return;
    throw new InvalidInputError(
      'kind',
      `no kind "${kind}" is configured; PUT /api/sessions/groups/${kind} comes first`,
    );
  }

  /** What there is to see, of all kinds or of one. */
  private async read(
    tenant: TenantConfig,
    kind: string | null = null,
  ): Promise<{ current: CurrentLimits; counts: GroupCount[] }> {
    const [current, live] = await Promise.all([this.limits.current(tenant), this.books.groups(tenant, kind)]);
    const idle = new Set(groupsWithSettings(current.limits));
    if (idle.size === 0) return { current, counts: live };
    await inTurns(live, LOOKED_AT_PER_TURN, ({ group }) => idle.delete(group));
    const ofKind = [...idle].filter((group) => kind === null || groupParts(group).kind === kind);
    return { current, counts: [...live, ...ofKind.map((group) => ({ group, activeSessions: 0 }))] };
  }
}

function groupsWithSettings({ groups, details }: EffectiveLimits): Set<string> {
  const named = Object.entries(groups).flatMap(([kind, { overrides, parents, rates }]) =>
    Object.keys({ ...overrides, ...parents, ...rates }).map((name) => `${kind}:${name}`),
  );
  const detailed = Object.keys(details).flatMap((key) =>
    key.startsWith('group:') ? [key.slice('group:'.length)] : [],
  );
  return new Set([...named, ...detailed]);
}

/** Those with most sessions first. */
const byUse = (a: GroupCount, b: GroupCount) => b.activeSessions - a.activeSessions || (a.group < b.group ? -1 : 1);

async function pageOf(current: CurrentLimits, counts: GroupCount[], { page, limit }: GroupsQuery): Promise<GroupPage> {
  const shown = await pageInTurns(counts, byUse, { page, limit });
  const groups = shown.map((count) => groupView(current, count));
  return { groups, total: counts.length, page, limit };
}

function groupView({ limits, nowMs }: CurrentLimits, { group, activeSessions }: GroupCount) {
  const { kind, name } = groupParts(group);
  const { max, observed, reserve, temporary } = groupLimit(limits, group, nowMs);
  const ofKind = own(limits.groups, kind);
  const origin = own(limits.details, `group:${group}`)?.origin;
  return {
    group,
    kind,
    name,
    limit: max,
    activeSessions,
    parent: own(ofKind?.parents, name) ?? null,
    ancestors: ancestorsOf(limits, group),
    action: ofKind?.action ?? 'reject',
    rate: rateView(own(ofKind?.rates, name) ?? ofKind?.rate),
    observed,
    reserve,
    temporary: temporaryView(temporary, nowMs),
    origin: origin === undefined ? null : originView(origin),
  };
}

/** `configured: false` is a kind that the configuration does not have: tracked, and unlimited. */
function kindView({ limits, nowMs }: CurrentLimits, kind: string) {
  const ofKind = own(limits.groups, kind);
  const { observe = false, reserve, temporary, origin } = own(limits.details, `kind:${kind}`) ?? {};
  return {
    kind,
    configured: ofKind !== undefined,
    default: Math.max(0, ofKind?.default ?? 0),
    action: ofKind?.action ?? 'reject',
    rate: rateView(ofKind?.rate),
    observed: observe,
    reserve: reserve !== undefined && reserve.places > 0 ? reserve : null,
    temporary: temporaryView(temporary, nowMs),
    origin: origin === undefined ? null : originView(origin),
  };
}
