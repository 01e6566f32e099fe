import type { GroupKindLimits, LimitKey, LimitOrigin, LimitsLayer, Rate } from '#session-core';

import { edited, own, withDetails } from '../limits/layer.js';
import { inKind, keysOf, NO_RATE, withSettings, type Layers, type SettingsChange } from '../limits/layer-edits.js';

/** The settings of a kind, and of its groups by name. */
export interface ProposedKind extends Omit<GroupKindLimits, 'rate' | 'rates'> {
  rate?: Rate | null | undefined;
  rates?: Record<string, Rate | null> | undefined;
}

/** A change of limits that is only thought of. */
export interface ProposedLimits {
  settings: SettingsChange;
  groups: Record<string, ProposedKind>;
  /** By user. */
  users: Record<string, number>;
}

const NOBODY: LimitOrigin = { by: '', atMs: 0, reason: null };

/** The layer of the API as it would be. */
export function withProposed(layers: Layers, { settings, groups, users }: ProposedLimits): LimitsLayer {
  let api = withSettings(layers, settings, NOBODY);
  for (const [kind, ofKind] of Object.entries(groups)) {
    const now = own(api.groups, kind);
    const { overrides, parents, rate, rates, ...rest } = ofKind;
    api = inKind(api, kind, {
      ...rest,
      ...(overrides !== undefined && { overrides: edited(now?.overrides, Object.entries(overrides)) }),
      ...(parents !== undefined && { parents: edited(now?.parents, Object.entries(parents)) }),
      ...(rate !== undefined && { rate: rate ?? NO_RATE }),
      ...(rates !== undefined && { rates: edited(now?.rates, withNoRates(rates)) }),
    });
  }
  return withDetails({ ...api, users: edited(api.users, Object.entries(users)) }, []);
}

/** The limits that it is about. */
export function proposedKeys(layers: Layers, { settings, groups, users }: ProposedLimits): LimitKey[] {
  const ofGroups = Object.entries(groups).flatMap(([kind, { overrides, parents, rates }]) => [
    `kind:${kind}`,
    ...Object.keys({ ...overrides, ...parents, ...rates }).map((name) => `group:${kind}:${name}`),
  ]);
  return [...keysOf(layers, settings), ...Object.keys(users).map((user) => `user:${user}`), ...ofGroups];
}

function withNoRates(rates: Record<string, Rate | null>): [string, Rate][] {
  return Object.entries(rates).map(([name, rate]) => [name, rate ?? NO_RATE]);
}
