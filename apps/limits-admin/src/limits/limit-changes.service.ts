import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';

import type { BerthConfig, TenantConfig } from '#config';
import { CONFIG, type Principal } from '#service-kit';
import { limitTarget, type EffectiveLimits, type LimitKey, type LimitOrigin, type LimitsLayer } from '#session-core';
import { rfc3339 } from '#session-wire';

import type { OnLower, temporaryLimitBody } from './fields.schema.js';
import { withTemporary } from './layer.js';
import {
  keysOf,
  withClass,
  withGroup,
  withKind,
  withoutGroup,
  withoutKind,
  withoutSettings,
  withoutUser,
  withSettings,
  withUser,
  type GroupChange,
  type KindChange,
  type Layers,
  type SettingsChange,
} from './layer-edits.js';
import { LimitUse, type Consequences } from './limit-use.service.js';
import { LimitsService } from './limits.service.js';

/** Who changes something, why, and what becomes of the sessions that a lowered limit has no room for. */
export interface ChangeRequest {
  by: Principal;
  reason?: string | null | undefined;
  on_lower: OnLower;
}

/** A change that is in force. */
export interface MadeChange {
  limits: EffectiveLimits;
  nowMs: number;
  consequences: Consequences;
}

interface Change {
  what: Record<string, unknown>;
  /** The limits that it is about; complete once `edit` has been called. */
  keys: LimitKey[];
  edit: (layers: Layers, origin: LimitOrigin) => LimitsLayer;
  version?: number | undefined;
}

/** Everything that operators may change of limits. Each method is one change, in force when it returns. */
@Injectable()
export class LimitChanges {
  constructor(
    private readonly limits: LimitsService,
    private readonly use: LimitUse,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  /** Sets what `change` has; what it leaves out stays as it is. */
  async settings(
    tenant: TenantConfig,
    change: SettingsChange,
    request: ChangeRequest & { version?: number | undefined },
  ) {
    const keys: LimitKey[] = [];
    const edit = (layers: Layers, origin: LimitOrigin) => {
      keys.splice(0, keys.length, ...keysOf(layers, change));
      return withSettings(layers, change, origin);
    };
    return await this.make(tenant, request, {
      what: { said: this.shown(change) },
      keys,
      edit,
      version: request.version,
    });
  }

  /** The tenant's own settings are those of the file again. The settings of single users and groups stay; each has a call of its own. */
  async resetSettings(tenant: TenantConfig, request: ChangeRequest) {
    const keys: LimitKey[] = [];
    const edit = (layers: Layers) => {
      const classes = Object.keys(layers.api.classes ?? {}).map((name) => `class:${name}`);
      keys.splice(0, keys.length, 'user', 'total', ...classes);
      return withoutSettings(layers);
    };
    return await this.make(tenant, request, { what: { said: 'as the file says' }, keys, edit });
  }

  async user(tenant: TenantConfig, user: string, limit: number, request: ChangeRequest) {
    const edit = (layers: Layers, origin: LimitOrigin) => withUser(layers, user, limit, origin);
    return await this.make(tenant, request, { what: { user, limit }, keys: [`user:${user}`], edit });
  }

  /** The file's limit of this user holds again, else that of the class, else the default. */
  async resetUser(tenant: TenantConfig, user: string, request: ChangeRequest) {
    const edit = (layers: Layers) => withoutUser(layers, user);
    return await this.make(tenant, request, { what: { user, limit: null }, keys: [`user:${user}`], edit });
  }

  /** Null: that of the file, else the one that an admission says. */
  async userClass(tenant: TenantConfig, user: string, ofClass: string | null, request: ChangeRequest) {
    const edit = (layers: Layers, origin: LimitOrigin) => withClass(layers, user, ofClass, origin);
    return await this.make(tenant, request, { what: { user, class: ofClass }, keys: [`user:${user}`], edit });
  }

  async kind(tenant: TenantConfig, kind: string, change: KindChange, request: ChangeRequest) {
    const edit = (layers: Layers, origin: LimitOrigin) => withKind(layers, kind, change, origin);
    return await this.make(tenant, request, { what: { kind, said: change }, keys: [`kind:${kind}`], edit });
  }

  async resetKind(tenant: TenantConfig, kind: string, request: ChangeRequest) {
    const edit = (layers: Layers) => withoutKind(layers, kind);
    return await this.make(tenant, request, { what: { kind, said: 'as the file says' }, keys: [`kind:${kind}`], edit });
  }

  async group(tenant: TenantConfig, group: string, change: GroupChange, request: ChangeRequest) {
    const edit = (layers: Layers, origin: LimitOrigin) => withGroup(layers, group, change, origin);
    return await this.make(tenant, request, { what: { group, said: change }, keys: [`group:${group}`], edit });
  }

  async resetGroup(tenant: TenantConfig, group: string, request: ChangeRequest) {
    const edit = (layers: Layers) => withoutGroup(layers, group);
    return await this.make(tenant, request, {
      what: { group, said: 'as the file says' },
      keys: [`group:${group}`],
      edit,
    });
  }

  /** Another limit until a moment of the Redis clock; then what it covers holds again, by itself. Answers what holds, and until when. */
  async lend(tenant: TenantConfig, key: LimitKey, by: Principal, body: z.output<typeof temporaryLimitBody>) {
    const { limit, duration: durationMs, ...request } = body;
    let untilMs = 0;
    const edit = ({ api }: Layers, origin: LimitOrigin) => {
      untilMs = origin.atMs + durationMs;
      return withTemporary(api, key, { max: limit, untilMs, origin });
    };
    const what = { ...subjectOf(key), temporary: limit, duration_ms: durationMs };
    const { consequences } = await this.make(tenant, { by, ...request }, { what, keys: [key], edit });
    return { limit, expiresAt: rfc3339(untilMs), reason: request.reason ?? null, ...consequences };
  }

  /** What the temporary limit covers holds again at once. */
  async endTemporary(tenant: TenantConfig, key: LimitKey, request: ChangeRequest) {
    const edit = ({ api }: Layers) => withTemporary(api, key, undefined);
    return await this.make(tenant, request, { what: { ...subjectOf(key), temporary: null }, keys: [key], edit });
  }

  /** The settings as the log may have them: where users are hashed there, names of limits must not give them away. */
  private shown({ observe, reserves, ...rest }: SettingsChange): SettingsChange {
    const nameOf = (key: LimitKey) => (this.config.logging.hashUsers && key.startsWith('user:') ? 'user:*' : key);
    return {
      ...rest,
      ...(observe !== undefined && { observe: observe.map(nameOf) }),
      ...(reserves !== undefined && {
        reserves: Object.fromEntries(Object.entries(reserves).map(([key, reserve]) => [nameOf(key), reserve])),
      }),
    };
  }

  private async make(tenant: TenantConfig, request: ChangeRequest, change: Change): Promise<MadeChange> {
    const { by, reason = null } = request;
    const { keys, ...edit } = change;
    const edited = await this.limits.change(tenant, { by, reason, ...edit });
    const consequences = await this.use.after(tenant, edited, keys, request);
    return { limits: edited.after, nowMs: edited.nowMs, consequences };
  }
}

/** Whose limit a key names, in fields of the log: users have one of their own there. */
function subjectOf(key: LimitKey): Record<string, string> {
  const target = limitTarget(key);
  if (target?.kind === 'user-name') return { user: target.name };
  return target?.kind === 'group' ? { group: target.group } : { limit_key: key };
}
