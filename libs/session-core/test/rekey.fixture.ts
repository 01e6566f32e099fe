import type { Cluster, Redis } from 'ioredis';
import { canonicalUser, identify, type IdentityRules } from '../src/model/identity/index.js';
import { shardOf } from '../src/keys.js';
import type { AdmissionRequest } from '../src/model/decision.js';
import { Rekey, type RekeyedTenant, type RekeyOutcome } from '../src/rekey/rekey.js';
import type { RekeyReport } from '../src/rekey/report.js';
import { SessionStore } from '../src/session-store.js';
import { TenantsStore } from '../src/tenants-store.js';
import { request, type TestClock } from './fixture.js';

export const FOLD_DROP: IdentityRules = { case: 'fold', domain: 'drop', userFrom: 'from' };
export const KEEP_KEEP: IdentityRules = { case: 'keep', domain: 'keep', userFrom: 'from' };
export const FOLD_KEEP: IdentityRules = { case: 'fold', domain: 'keep', userFrom: 'from' };
export const KEEP_DROP: IdentityRules = { case: 'keep', domain: 'drop', userFrom: 'from' };
export const ALL_RULES = [FOLD_DROP, KEEP_KEEP, FOLD_KEEP, KEEP_DROP];

export const PATIENT_MS = 10_000;

/** What stands in the way of a caller is the test's; its user is what the rules make of this From, or of this name where there is none. */
export function called(id: string, from: string, rules: IdentityRules, overrides: Partial<AdmissionRequest> = {}) {
  const identified = identify({ from }, rules);
  if (!identified.ok) throw new Error(identified.message);
  const wanted = request(id, { user: identified.user, ...overrides });
  return { ...wanted, facts: { ...wanted.facts, from } };
}

/** A session of a user who was named outright. */
export function named(id: string, user: string, rules: IdentityRules): AdmissionRequest {
  const canonical = canonicalUser(user, rules);
  if (!canonical.ok) throw new Error(canonical.message);
  const wanted = request(id, { user: canonical.user });
  return { ...wanted, facts: { ...wanted.facts, from: null } };
}

export interface RekeyBooks {
  client: Redis | Cluster;
  clock: TestClock;
}

export function tenantWith(identity: IdentityRules, shards: number, name = 'acme'): RekeyedTenant {
  return { name, shards, identity };
}

/** The books of a tenant as processes with some rules have them. */
export function processOf({ client, clock }: RekeyBooks, tenant: RekeyedTenant) {
  const clockMs = () => clock.nowMs;
  const store = new SessionStore({ client, deadlineMs: PATIENT_MS, tombstoneMs: 60_000, clockMs });
  return {
    store,
    open: async () => await new TenantsStore({ client, deadlineMs: PATIENT_MS, clockMs }).open(tenant),
    admit: async (wanted: AdmissionRequest) => (await store.admit(tenant, wanted)).decision,
  };
}

export async function rekey(
  { client, clock }: RekeyBooks,
  tenant: RekeyedTenant,
  options: { holder?: string } = {},
): Promise<RekeyOutcome> {
  const clockMs = () => clock.nowMs;
  const common = { deadlineMs: PATIENT_MS, tombstoneMs: 60_000, noticeMs: 0, holder: 'test', ...options };
  return await new Rekey({ client, clockMs, ...common }).run(tenant);
}

export async function rekeyed(books: RekeyBooks, tenant: RekeyedTenant): Promise<RekeyReport> {
  const outcome = await rekey(books, tenant);
  if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome));
  return outcome.report;
}

/** Two spellings whose users live in different shards of the tenant, or in the same one. */
export function spellings(shards: number, apart: boolean): [string, string] {
  for (let i = 0; ; i++) {
    const [one, other] = [`User${i}`, `user${i}`];
    const differ = shardOf({ name: 'acme', shards }, one) !== shardOf({ name: 'acme', shards }, other);
    if (differ === apart || shards === 1) return [one, other];
  }
}
