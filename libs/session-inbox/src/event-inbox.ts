import type { TenantConfig } from '#config';
import { parseBody, ProblemException, type ProblemCode, type TenantBooks } from '#service-kit';
import { canonicalUser, InvalidInputError, type SessionRef } from '#session-core';
import {
  admissionRequest,
  EVENT_SCHEMAS,
  isEventType,
  isFromTheFuture,
  snapshotPart,
  typedFields,
  type EventOf,
  type EventType,
  type RawEvent,
} from '#session-wire';

/** How an event came: what its sender's clock says never counts. */
export interface Arrival {
  /** Names this arrival, the same for every delivery of it. */
  id: string;
  /** When it reached Redis, by the clock of Redis, milliseconds; null for now. */
  atMs: number | null;
  /** How old it is, milliseconds. */
  ageMs: number;
  /** The tenant for which the sender may speak; null where the event says it. */
  tenant: string | null;
  via: 'http' | 'inbox';
}

/** What an event came to, in the words of HTTP. */
export interface EventResult {
  status: number;
  code?: ProblemCode;
  /** For the sender: the answer to a snapshot part. */
  detail?: unknown;
}

/** Published in this moment, whichever that is for Redis: a time of the future counts as now. */
const JUST_NOW = Number.MAX_SAFE_INTEGER;

/** A start that took longer to arrive creates nothing: its end may have been forgotten. A share of the tombstone, and at most this. */
const STARTED_TOO_LATE_MS = 45_000;
const SHARE_OF_TOMBSTONE = 0.75;

/**
 * Applies what servers publish. The handlers commute: in whatever order events come, however often, the books are the same in the end.
 *
 * Throws `invalid-request` for an event that will never be right, and StoreUnavailableError where it has to be applied again.
 */
export class EventInbox {
  constructor(private readonly tenantNamed: (name: string) => TenantBooks | undefined) {}

  async apply(raw: RawEvent, arrival: Arrival): Promise<EventResult> {
    const { type, ...fields } = raw;
    if (!isEventType(type)) throw new InvalidInputError('type', 'must be one of the events that servers may publish');
    const event = parseBody(EVENT_SCHEMAS[type], typedFields(fields));
    if (isFromTheFuture(event.at, Date.now())) throw new InvalidInputError('at', 'must not be in the future');
    const tenant = this.tenantOf(event.tenant, arrival);
    return await this.handlers[type](tenant, event as never, firstArrival(arrival, event.arrivedAt));
  }

  private readonly handlers: {
    [T in EventType]: (tenant: TenantBooks, event: EventOf<T>, arrival: Arrival) => Promise<EventResult>;
  } = {
    'session.started': (tenant, event, arrival) => this.started(tenant, event, arrival),
    'session.activity': (tenant, event, arrival) => this.activity(tenant, event, arrival),
    'session.ended': (tenant, event) => this.ended(tenant, event),
    'session.rejected': (tenant, event, arrival) => this.rejected(tenant, event, arrival),
    'node.heartbeat': (tenant, event, arrival) => this.heartbeat(tenant, event, arrival),
    'node.snapshot': (tenant, event) => this.snapshot(tenant, event),
  };

  /** The session is a fact: it is on the books whatever the limits say, unless it has ended. */
  private async started(
    { ref, config, store, nodes }: TenantBooks,
    event: EventOf<'session.started'>,
    { ageMs }: Arrival,
  ): Promise<EventResult> {
    const request = admissionRequest(event, config);
    if (ageMs > Math.min(STARTED_TOO_LATE_MS, SHARE_OF_TOMBSTONE * config.tombstoneMs)) {
      if (request.node !== null) await nodes.askForSnapshot(ref, request.node);
      return { status: 202 };
    }
    const decision = await store.started(ref, request);
    switch (decision.kind) {
      case 'admitted':
        return { status: decision.repeated ? 200 : 201 };
      case 'id-conflict':
        return { status: 409, code: 'session-id-conflict' };
      case 'stale-epoch':
        await nodes.refused(ref, request);
        return { status: 409, code: 'stale-epoch' };
      default:
        return { status: 409, code: 'session-ended' };
    }
  }

  private async activity(
    { ref, config, store }: TenantBooks,
    { sessionId, user, attempt, ...totals }: EventOf<'session.activity'>,
    { atMs }: Arrival,
  ): Promise<EventResult> {
    const { kind } = await store.renew(ref, named(sessionId, user, config), totals, {
      attempt,
      atMs: atMs ?? JUST_NOW,
    });
    if (kind === 'live') return { status: 200 };
    return kind === 'ended' ? { status: 410, code: 'session-ended' } : { status: 404, code: 'session-unknown' };
  }

  private async ended(
    { ref, config, store }: TenantBooks,
    { sessionId, user, attempt, reason, ...totals }: EventOf<'session.ended'>,
  ): Promise<EventResult> {
    const ending = { attempt, reason: 'completed', note: reason, by: 'node', totals } as const;
    const { kind } = await store.end(ref, named(sessionId, user, config), ending);
    return kind === 'unknown' ? { status: 404, code: 'session-unknown' } : { status: 204 };
  }

  private async rejected(
    { ref, config, store }: TenantBooks,
    event: EventOf<'session.rejected'>,
    { id: arrivalId }: Arrival,
  ): Promise<EventResult> {
    const { sessionId, user = '' } = named(event.sessionId ?? '', event.user, config);
    const { rule = '', decision = '', sourceIp, sourcePort, destination, protocol } = event;
    const facts = { sourceIp, sourcePort, destination, protocol };
    await store.recordRefusal(ref, { id: event.id ?? arrivalId, sessionId, user, rule, decision, ...facts });
    return { status: 204 };
  }

  private async heartbeat(
    { ref, nodes }: TenantBooks,
    { node, epoch, activeSessions }: EventOf<'node.heartbeat'>,
    { atMs, via }: Arrival,
  ): Promise<EventResult> {
    const beat = await nodes.beat(ref, { node, epoch, activeSessions, via, atMs: atMs ?? undefined });
    return beat.kind === 'stale' ? { status: 409, code: 'stale-epoch' } : { status: 200 };
  }

  private async snapshot(tenant: TenantBooks, event: EventOf<'node.snapshot'>): Promise<EventResult> {
    if (isFromTheFuture(event.mark, Date.now())) throw new InvalidInputError('mark', 'must not be in the future');
    const outcome = await tenant.snapshots.part(tenant.ref, snapshotPart(event.node, event, tenant.config));
    if (outcome.kind === 'stale-epoch') {
      await tenant.nodes.refused(tenant.ref, event);
      return { status: 409, code: 'stale-epoch' };
    }
    if (outcome.kind === 'empty') {
      throw new InvalidInputError(
        'none',
        'must be true for a node that holds no session: an empty list is no evidence',
      );
    }
    return { status: 200, detail: outcome }; // an older list that comes again changes nothing
  }

  private tenantOf(requested: string | undefined, { tenant: callers }: Arrival): TenantBooks {
    if (callers !== null && requested !== undefined && requested !== callers) {
      throw new ProblemException('forbidden', `This key speaks for the tenant ${callers} alone`);
    }
    const name = callers ?? requested ?? 'default';
    const tenant = this.tenantNamed(name);
    if (tenant === undefined) throw new InvalidInputError('tenant', 'must be a tenant of the configuration');
    return tenant;
  }
}

/** An event that is replayed says when it first came. It can make itself older by that, never newer; over HTTP it is new. */
function firstArrival(arrival: Arrival, arrivedAtMs: number | undefined): Arrival {
  const { atMs, ageMs } = arrival;
  if (atMs === null || arrivedAtMs === undefined || arrivedAtMs >= atMs) return arrival;
  return { ...arrival, atMs: arrivedAtMs, ageMs: ageMs + atMs - arrivedAtMs };
}

function named(sessionId: string, user: string | undefined, { identity }: TenantConfig): SessionRef {
  if (user === undefined || user === '') return { sessionId };
  const canonical = canonicalUser(user, identity);
  if (!canonical.ok) throw new InvalidInputError('user', canonical.message);
  return { sessionId, user: canonical.user };
}
