import { Injectable } from '@nestjs/common';
import pMap from 'p-map';
import { uuidv7 } from 'uuidv7';

import { assertMaySpeakForNode, assertMaySpeakForSession, problemOf, type Principal } from '#service-kit';
import { EventInbox, type EventResult } from '#session-inbox';
import type { RawEvent } from '#session-wire';

import { assertMayAskFor } from '../sessions/emergency.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** Of one call. */
const MAX_SESSIONS_AT_ONCE = 32;

/** Applies what servers publish over HTTP, at once. */
@Injectable()
export class EventsService {
  private readonly inbox: EventInbox;

  constructor(private readonly tenants: TenantsRepository) {
    this.inbox = new EventInbox((name) => tenants.named(name));
  }

  /**
   * The result of each event, in their order. Events of one session are applied one after the other, as if each had come alone, and so is what
   * nodes say of themselves, before and after all others. One that fails does not keep the others from being applied.
   */
  async apply(caller: Principal, events: readonly RawEvent[]): Promise<EventResult[]> {
    const results: EventResult[] = [];
    const inOrder = async (indices: readonly number[]) => {
      for (const index of indices) results[index] = await this.applyOne(caller, events[index] ?? {});
    };
    for (const sessions of stretches(events)) await pMap(sessions, inOrder, { concurrency: MAX_SESSIONS_AT_ONCE });
    return results;
  }

  private async applyOne(caller: Principal, event: RawEvent): Promise<EventResult> {
    try {
      await this.assertAllowed(caller, event);
      return await this.inbox.apply(event, { id: uuidv7(), atMs: null, ageMs: 0, tenant: caller.tenant, via: 'http' });
    } catch (error) {
      const { status, code, message } = problemOf(error);
      return { status, code, detail: message };
    }
  }

  /**
   * A key that is bound to nodes may say nothing of others. It may still record `session.rejected` for any user, and end ids that
   * nobody knows yet, as with `DELETE /v1/sessions`: both name no node.
   */
  private async assertAllowed(caller: Principal, event: RawEvent): Promise<void> {
    assertMayAskFor(caller, event['priority']);
    if (caller.nodes === null) return;
    const { type, node, sessionId } = event;
    if (type === 'session.started' || String(type).startsWith('node.')) {
      assertMaySpeakForNode(caller, typeof node === 'string' ? node : null);
    }
    if (typeof sessionId !== 'string' || type === 'session.rejected') return;
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, { sessionId });
  }
}

/** What may be applied at once, stretch by stretch: the places of the events of each session, or of one event of a node alone. */
function stretches(events: readonly RawEvent[]): number[][][] {
  const found: Map<unknown, number[]>[] = [new Map()];
  for (const [index, { type, sessionId }] of events.entries()) {
    if (String(type).startsWith('node.')) {
      found.push(new Map([[index, [index]]]), new Map());
      continue;
    }
    const subject = sessionId ?? Symbol(index);
    const sessions = found.at(-1);
    sessions?.set(subject, [...(sessions.get(subject) ?? []), index]);
  }
  return found.map((sessions) => [...sessions.values()]);
}
