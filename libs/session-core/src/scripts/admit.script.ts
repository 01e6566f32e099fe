import type { AdmissionRequest, AdmissionToken, Admitted, Decision, Rejected, Victim } from '../model/decision.js';
import type { GroupWithin } from '../group-parents.js';
import { LIMIT_SCOPES, readLimitStates, type LimitState } from '../model/limit.js';
import { rateAddress } from '../model/rate-address.js';
import { packSession, readDue, readEnded, readSession, readTraffic } from '../model/record.js';
import { escapeKeyPart } from '../keys.js';
import type { Session } from '../model/session.js';
import { field, integer, ReplyReader, text } from './reply.js';
import { keysOf, ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('admit');

export interface AdmitOptions {
  token: AdmissionToken;
  tombstoneMs: number;
  /** `check`: answer the same, change nothing. `started`: the session is a fact, so no limit refuses it. */
  mode: 'admit' | 'check' | 'started';
  /** The request's groups, those that they are within included; as the request has them, within none, by default. */
  groups?: readonly GroupWithin[];
}

/** The shard has no limits document yet, or lost it: publish it and ask again. */
export type NoLimits = { kind: 'no-limits' };

/** The request names a node that beats, and no epoch: it is to be asked again with this one. */
export interface Join {
  kind: 'join';
  epoch: number;
}

/** The session would begin a run of its node ahead of the clock of Redis. */
export interface FutureEpoch {
  kind: 'future-epoch';
  epoch: number;
  nowMs: number;
}

/** What `admit` answers besides its decision. */
export type AdmitReply = Decision | NoLimits | Regroup | Join | FutureEpoch;

/** A group is within another one than the caller thought: the group that each is within now, in their order, '' for none. */
export interface Regroup {
  kind: 'regroup';
  parents: string[];
}

/** Decides in one step whether the session may start; see `admit.lua` for the order of the checks. */
export async function admit(
  context: ShardContext,
  asked: AdmissionRequest,
  { token, tombstoneMs, mode, groups = asked.groups.map(withinNone) }: AdmitOptions,
): Promise<AdmitReply> {
  const request = groups.length === 0 ? asked : { ...asked, groups: groups.map(({ group }) => group) };
  const { sessionId, attempt, user, node } = request;
  const keys = keysOf(context);
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
    eventSession(request),
    node ?? '',
    request.epoch ?? 0,
    request.userClass ?? '',
    rateAddress(request.facts.sourceIp),
    ...groups.flatMap(({ group, parent }) => [escapeKeyPart(group), group, parent]),
  ];
  return readDecision(new ReplyReader(await script.inShard(context, args, wanted)), context.tenant, request);
}

const withinNone = (group: string): GroupWithin => ({ group, parent: '' });

function readDecision(reply: ReplyReader, tenant: string, request: AdmissionRequest): AdmitReply {
  const { sessionId } = request;
  switch (reply.text()) {
    case 'admitted':
      return readAdmitted(reply, tenant, request);
    case 'overtaken': {
      const traffic = readTraffic(reply.bytes());
      const admitted = readAdmitted(reply, tenant, request);
      return { ...admitted, session: { ...admitted.session, ...traffic } };
    }
    case 'repeated': {
      const policyVersion = reply.integer();
      const limits = readCounts(reply.list(), request);
      const packed = reply.bytes();
      const parts = { due: reply.text(), lastActivity: reply.text(), traffic: reply.bytes() };
      const session = readSession(tenant, sessionId, packed, parts);
      return { kind: 'admitted', repeated: true, session, limits, terminated: [], policyVersion };
    }
    case 'rejected':
      return readRejected(reply);
    case 'regroup':
      return { kind: 'regroup', parents: reply.rest().map(text) };
    case 'ended':
      return { kind: 'ended', session: reply.done() ? null : readEnded(tenant, sessionId, reply.bytes()) };
    case 'stale-epoch':
      return { kind: 'stale-epoch', currentEpoch: reply.integer() };
    case 'conflict':
      return { kind: 'id-conflict' };
    case 'withdrawn':
      return { kind: 'withdrawn' };
    case 'node-draining':
      return { kind: 'node-draining' };
    case 'no-limits':
      return { kind: 'no-limits' };
    case 'join':
      return { kind: 'join', epoch: reply.integer() };
    case 'future-epoch':
      return { kind: 'future-epoch', epoch: reply.integer(), nowMs: reply.integer() };
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

function readAdmitted(reply: ReplyReader, tenant: string, request: AdmissionRequest): Admitted {
  const startedAtMs = reply.integer();
  const due = readDue(reply.text());
  const policyVersion = reply.integer();
  const limits = withObserved(readCounts(reply.list(), request), reply.text());
  const session = newSession(tenant, request, startedAtMs, due);
  const terminated = reply.rest().map(readVictim);
  return { kind: 'admitted', repeated: false, session, limits, terminated, policyVersion };
}

function newSession(tenant: string, request: AdmissionRequest, startedAtMs: number, due: number | null): Session {
  const { sessionId, policy, facts, node, epoch, ...rest } = request;
  return {
    id: sessionId,
    attempt: rest.attempt,
    tenant,
    user: rest.user,
    node,
    epoch: node === null ? null : epoch,
    state: rest.state,
    groups: rest.groups,
    priority: rest.priority,
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

/** Max and active of the user, the total and each group: the user's always, the others where there is such a limit. */
function readCounts(counts: unknown[], { user, groups }: AdmissionRequest): LimitState[] {
  const shown: LimitState[] = [];
  const read = (at: number, scope: LimitState['scope'], key: string) => {
    const max = Math.max(0, integer(counts[2 * at]));
    if (scope === 'user' ? user !== '' : max > 0) shown.push({ scope, key, max, active: integer(counts[2 * at + 1]) });
  };
  read(0, 'user', user);
  read(1, 'total', '*');
  groups.forEach((group, i) => read(2 + i, 'group', group));
  return shown.length > 1 ? inOrder(shown) : shown;
}

/** In the order in which a refusal is named. */
function inOrder(limits: LimitState[]): LimitState[] {
  return limits.toSorted((a, b) => LIMIT_SCOPES.indexOf(a.scope) - LIMIT_SCOPES.indexOf(b.scope));
}

const isSame = (a: LimitState) => (b: LimitState) => a.scope === b.scope && a.key === b.key;

/** Marks the limits that were full and are only measured. */
function withObserved(limits: LimitState[], json: string): LimitState[] {
  if (json === '') return limits;
  const measured = readLimitStates(json).map((limit): LimitState => ({ ...limit, observed: true }));
  const others = measured.filter((limit) => !limits.some(isSame(limit)));
  return inOrder([
    ...limits.map((limit) => (measured.some(isSame(limit)) ? { ...limit, observed: true as const } : limit)),
    ...others,
  ]);
}

/** After the word: the version, and the limits that were full. */
export function readRejected(reply: ReplyReader): Rejected {
  const policyVersion = reply.integer();
  return { kind: 'rejected', limits: inOrder(readLimitStates(reply.text())), policyVersion };
}

export function userLimits(user: string, max: number, active: number): LimitState[] {
  return user === '' ? [] : [{ scope: 'user', key: user, max: Math.max(0, max), active }];
}

export function readVictim(value: unknown): Victim {
  const node = text(field(value, 1));
  return { id: text(field(value, 0)), node: node === '' ? null : node, startedAtMs: integer(field(value, 2)) };
}

/**
 * The session as the outbox shows it, also in `session-json.lua`. Its tenant is that of the event, its start the event's `at`. What is null,
 * empty, 0 or normal is left out, and so is the state `active`: an outbox that nobody reads for an hour has to fit into memory.
 */
function eventSession(request: AdmissionRequest): string {
  const { sessionId: id, attempt, node, epoch, groups, policy, facts } = request;
  const written = {
    id,
    attempt,
    user: request.user || null,
    node,
    epoch: node === null ? null : epoch,
    state: request.state === 'reserved' ? 'reserved' : null,
    groups: groups.length > 0 ? groups : null,
    priority: request.priority === 'emergency' ? 'emergency' : null,
    maxDurationMs: policy.maxDurationMs || null,
    ...facts,
  };
  return JSON.stringify(withoutNulls(written));
}

function withoutNulls(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const present: Record<string, unknown> = {};
  for (const name in fields) if (fields[name] !== null) present[name] = fields[name];
  return present;
}
