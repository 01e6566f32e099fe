import { randomUUID } from 'node:crypto';

import type { TenantRef } from '../src/keys.js';
import type { AdmissionRequest, Decision } from '../src/model/decision.js';
import { NO_FACTS, type SessionFacts } from '../src/model/session.js';
import type { StoreClient } from '../src/scripts/script.js';
import { SessionStore } from '../src/session-store.js';

export const DEFAULT_TENANT: TenantRef = { name: 'default', shards: 1 };

/** What a gateway does, over a connection of its own. */
export class Fleet {
  readonly store: SessionStore;

  constructor(
    client: StoreClient,
    readonly tenant: TenantRef = DEFAULT_TENANT,
  ) {
    this.store = new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
  }

  /** Asks for a session; its id is made up unless given. */
  async admit(
    user: string,
    sessionId: string = randomUUID(),
    facts: Partial<SessionFacts> = {},
    asked: Partial<AdmissionRequest> = {},
  ): Promise<Decision> {
    const { decision } = await this.store.admit(this.tenant, { ...admission(user, sessionId, facts), ...asked });
    return decision;
  }

  /** As `admit`, for sessions of these groups. */
  async admitIn(groups: string[], user = 'alice', sessionId: string = randomUUID()): Promise<Decision> {
    return await this.admit(user, sessionId, {}, { groups });
  }

  async admitAll(user: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.admit(user);
  }
}

export function admission(user: string, sessionId: string, facts: Partial<SessionFacts> = {}): AdmissionRequest {
  return {
    sessionId,
    attempt: 1,
    user,
    node: 'b2bua-1',
    epoch: 1,
    state: 'active',
    priority: 'normal',
    groups: [],
    facts: { ...NO_FACTS, ...facts },
    policy: { idleMs: 0, maxDurationMs: 86_400_000, reservationMs: 180_000 },
  };
}
