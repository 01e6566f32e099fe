import { Injectable } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';

import { problemOf, type Principal } from '#service-kit';
import { EventInbox, type EventResult, type RawEvent } from '#session-wire';

import { assertMayAskFor, assertMaySpeakForNode, assertMaySpeakForSession } from '../node-rights.js';
import { TenantsRepository } from '../tenants.repository.js';

/** So many events of one call are worked on at once. */
const LANES = 32;

/** Applies what servers publish over HTTP, at once. */
@Injectable()
export class EventsService {
  private readonly inbox: EventInbox;

  constructor(private readonly tenants: TenantsRepository) {
    this.inbox = new EventInbox((name) => tenants.named(name));
  }

  /** The result of each event, in their order. One that fails does not keep the others from being applied. */
  async apply(caller: Principal, events: readonly RawEvent[]): Promise<EventResult[]> {
    const results: EventResult[] = [];
    const waiting = events.entries();
    const lane = async () => {
      for (const [index, event] of waiting) results[index] = await this.applyOne(caller, event);
    };
    await Promise.all(Array.from({ length: Math.min(LANES, events.length) }, lane));
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
