import type { AdmissionRequest, AdmissionToken, Decision, Victim } from '../model/decision.js';
import type { LimitState } from '../model/limit.js';
import { packSession, readDue, readEnded, readSession } from '../model/record.js';
import { escapeKeyPart, shardKeys } from '../keys.js';
import type { Session } from '../model/session.js';
import { field, integer, ReplyReader, text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('admit');

export interface AdmitOptions {
  token: AdmissionToken;
  tombstoneMs: number;
  /** `check`: answer the same, change nothing. `started`: the session is a fact, so no limit refuses it. */
  mode: 'admit' | 'check' | 'started';
}

/** The shard has no limits document yet, or lost it: publish it and ask again. */
export type NoLimits = { kind: 'no-limits' };

/** Decides in one step whether the session may start; see `admit.lua` for the order of the checks. */
export async function admit(
  context: ShardContext,
  request: AdmissionRequest,
  { token, tombstoneMs, mode }: AdmitOptions,
): Promise<Decision | NoLimits> {
  const { sessionId, attempt, user, node, groups } = request;
  const keys = shardKeys(context.tenant, context.shard);
  const wanted = [keys.session(sessionId), keys.userSessions(user)];
  if (node !== null) wanted.push(keys.nodeSessions(node, request.epoch ?? 0));
  const args = [
    sessionId,
    user,
    mode,
    firstDueMs(request),
    packSession(request, token),
    tombstoneMs,
    `${sessionId}/${attempt}/admitted/`,
    request.state === 'reserved' ? 'session.reserved' : 'session.admitted',
    eventSession(context.tenant, request),
    request.epoch === null ? '' : (node ?? ''),
    request.epoch ?? 0,
    ...groups.map(escapeKeyPart),
  ];
  return readDecision(new ReplyReader(await script.inShard(context, args, wanted)), context.tenant, request);
}

function readDecision(reply: ReplyReader, tenant: string, request: AdmissionRequest): Decision | NoLimits {
  const { sessionId, user } = request;
  switch (reply.text()) {
    case 'admitted': {
      const startedAtMs = reply.integer();
      const due = readDue(reply.text());
      const limits = userLimits(user, reply.integer(), reply.integer());
      const policyVersion = reply.integer();
      const session = newSession(tenant, request, startedAtMs, due);
      const terminated = reply.rest().map(readVictim);
      return { kind: 'admitted', repeated: false, session, limits, terminated, policyVersion };
    }
    case 'repeated': {
      const limits = userLimits(user, reply.integer(), reply.integer());
      const policyVersion = reply.integer();
      const packed = reply.bytes();
      const parts = { due: reply.text(), lastActivity: reply.text(), traffic: reply.bytes() };
      const session = readSession(tenant, sessionId, packed, parts);
      return { kind: 'admitted', repeated: true, session, limits, terminated: [], policyVersion };
    }
    case 'rejected':
      return {
        kind: 'rejected',
        limits: userLimits(user, reply.integer(), reply.integer()),
        policyVersion: reply.integer(),
      };
    case 'ended':
      return { kind: 'ended', session: reply.done() ? null : readEnded(tenant, sessionId, reply.bytes()) };
    case 'stale-epoch':
      return { kind: 'stale-epoch', currentEpoch: reply.integer() };
    case 'conflict':
      return { kind: 'id-conflict' };
    case 'withdrawn':
      return { kind: 'withdrawn' };
    case 'no-limits':
      return { kind: 'no-limits' };
    default:
      return reply.fail();
  }
}

/** How long after its start a new session is due first, milliseconds; 0 for never. `due.lua` has the rule for later. */
function firstDueMs({ state, policy }: AdmissionRequest): number {
  const bounds = [policy.maxDurationMs, state === 'reserved' ? policy.reservationMs : policy.idleMs];
  const set = bounds.filter((bound) => bound > 0);
  return set.length === 0 ? 0 : Math.min(...set);
}

function newSession(tenant: string, request: AdmissionRequest, startedAtMs: number, due: number | null): Session {
  const { sessionId, policy, facts, node, epoch, ...said } = request;
  return {
    id: sessionId,
    attempt: said.attempt,
    tenant,
    user: said.user,
    node,
    epoch: node === null ? null : epoch,
    state: said.state,
    groups: said.groups,
    priority: said.priority,
    ...facts,
    startedAtMs,
    lastActivityAtMs: startedAtMs,
    expiresAtMs: due,
    endsByMs: policy.maxDurationMs === 0 ? null : startedAtMs + policy.maxDurationMs,
    bytesSent: 0,
    bytesReceived: 0,
    packetsSent: 0,
    packetsReceived: 0,
    channels: [],
  };
}

export function userLimits(user: string, max: number, active: number): LimitState[] {
  return user === '' ? [] : [{ scope: 'user', key: user, max: Math.max(0, max), active }];
}

export function readVictim(value: unknown): Victim {
  const node = text(field(value, 1));
  return { id: text(field(value, 0)), node: node === '' ? null : node, startedAtMs: integer(field(value, 2)) };
}

/** The session as the outbox shows it, also in `session-json.lua`. Its start is the `at` of the event. */
export function eventSession(tenant: string, request: AdmissionRequest): string {
  const { sessionId: id, attempt, node, epoch, state, groups, priority, policy, facts } = request;
  const { maxDurationMs } = policy;
  const user = request.user === '' ? null : request.user;
  return JSON.stringify({ id, attempt, tenant, user, node, epoch, state, groups, priority, maxDurationMs, ...facts });
}
