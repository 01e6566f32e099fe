import { createHash } from 'node:crypto';

import { SessionStore, type AdmissionRequest, type Session, type TenantRef } from '#session-core';
import type { RedisServer } from '#testing';

import type { Bench, BenchContext } from './bench-context.js';
import type { Measurement } from './measurement.js';

export const TENANT: TenantRef = { name: 'default', shards: 1 };

/** So long that a busy machine never makes a call an outage: an outage would be measured as speed. */
const DEADLINE_MS = 30_000;
const TOMBSTONE_MS = 60_000;
const NODES = 8;
const EPOCH_MS = 1_763_700_000_000;
/** Of many lengths, so that a figure does not hang on which side of a size class of the allocator one length falls. */
const DISPLAY_NAMES = ['Ann', 'Li Wei', 'Alice Young', 'Reception', 'Jean-Baptiste Moreau', 'Support Desk 2', 'Bob'];
const USER_AGENTS = [
  'Zoiper v2.10.20.6',
  'Yealink SIP-T46U 108.86.0.20',
  'Linphone Desktop/5.0.9 (belle-sip/5.2.0)',
  'PolycomVVX-VVX_450-UA/6.4.3.5156_482567c3b1d2',
  'FreeSWITCH-mod_sofia/1.10.11-release~64bit',
  'MicroSIP/3.21.3',
  'Cisco-CP8845/12.8.1SR1_480023 (Compatible; RFC 3261; secure media)',
];

/** A store on its own connection, with the default limit of five sessions per user in force. */
export async function openStore(server: RedisServer): Promise<SessionStore> {
  const client = server.client({ enableOfflineQueue: true });
  const store = new SessionStore({ client, deadlineMs: DEADLINE_MS, tombstoneMs: TOMBSTONE_MS });
  await store.limits.change(TENANT, (api) => ({ ...api, maxSessionsPerUser: 5 }));
  return store;
}

/** A Redis of the bench alone, a connection to it, and a store on another one. */
export interface BenchBooks {
  server: RedisServer;
  client: ReturnType<RedisServer['client']>;
  store: SessionStore;
}

export async function openBooks(context: BenchContext): Promise<BenchBooks> {
  const server = await context.redis();
  return { server, client: server.client(), store: await openStore(server) };
}

/** A bench that measures on books of its own. */
export function onBooks(measure: (context: BenchContext, books: BenchBooks) => Promise<Measurement[]>): Bench['run'] {
  return async (context) => await measure(context, await openBooks(context));
}

/** The SIP call number `index`, of user number `user`, with every field of an admission filled as a B2BUA fills them. */
export function sipCall(index: number, user: number): AdmissionRequest {
  const hex = createHash('md5').update(`call ${index}`).digest('hex');
  const name = userName(user);
  return {
    sessionId: `${hex.slice(0, 18)}@pc${index % 90}.example.com`,
    attempt: 1,
    user: name,
    node: `b2bua-${index % NODES}`,
    epoch: EPOCH_MS,
    state: 'active',
    priority: 'normal',
    groups: [],
    facts: {
      from: `"${pick(DISPLAY_NAMES, user)}" <sip:${name}@example.com>;tag=${hex.slice(18, 26)}`,
      to: `sip:+1415555${String(index % 10_000).padStart(4, '0')}@example.com`,
      sourceIp: `192.0.2.${index % 250}`,
      sourcePort: 5060,
      destination: `198.51.100.${index % 250}:5060`,
      protocol: 'sip',
      direction: 'inbound',
      correlationId: hex.slice(0, 16),
      metadata: { userAgent: pick(USER_AGENTS, index) },
    },
    policy: { idleMs: 0, maxDurationMs: 86_400_000, reservationMs: 180_000 },
  };
}

function pick(list: readonly string[], number: number): string {
  return list[number % list.length] ?? '';
}

export function userName(user: number): string {
  return `user.${String(user).padStart(6, '0')}`;
}

/** Admits, and fails unless the session got its place: a refusal is cheaper and would be measured as speed. */
export async function mustAdmit(store: SessionStore, request: AdmissionRequest): Promise<Session> {
  const { decision } = await store.admit(TENANT, request);
  if (decision.kind === 'admitted' && !decision.repeated) return decision.session;
  throw new Error(`The admission of ${request.sessionId} was answered with ${decision.kind}`);
}

/** Ends as the node does, and fails unless it was this call that ended it. */
export async function mustEnd(store: SessionStore, { sessionId, attempt }: AdmissionRequest): Promise<void> {
  const outcome = await store.end(TENANT, { sessionId }, { attempt, reason: 'completed', by: 'node' });
  if (outcome.kind !== 'now') throw new Error(`The end of ${sessionId} was answered with ${outcome.kind}`);
}

/** Renews with totals, and fails unless the session lives. */
export async function mustRenew(store: SessionStore, { sessionId, attempt }: AdmissionRequest): Promise<void> {
  const outcome = await store.renew(TENANT, { sessionId }, { bytesSent: 172_000, bytesReceived: 171_500 }, { attempt });
  if (outcome.kind !== 'live') throw new Error(`The renewal of ${sessionId} was answered with ${outcome.kind}`);
}
