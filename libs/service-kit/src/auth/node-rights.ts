import type { SessionRef, SessionStore, TenantRef } from '#session-core';

import { ProblemException } from '../problems/problem.js';
import { mayReadOf, type Principal } from './principal.js';

/**
 * Refuses a key that is bound to some nodes where the session is on another one, or on none. Other keys cost no look-up.
 *
 * The look-up comes before the call, so a session that another node takes over in between is not noticed.
 */
export async function assertMaySpeakForSession(
  caller: Principal,
  store: SessionStore,
  tenant: TenantRef,
  ref: SessionRef,
): Promise<void> {
  if (caller.nodes === null) return;
  const outcome = await store.get(tenant, ref);
  // Its node is not known, so it may be another node's.
  if (outcome.kind === 'unreadable') throw notForThisNode();
  const session = outcome.kind === 'unknown' ? null : outcome.session;
  // The end of an unknown id is remembered without node and user; nobody's session is touched by it.
  if (session === null || (outcome.kind === 'ended' && session.user === '' && session.node === null)) return;
  if (!mayReadOf(caller, session.node)) throw notForThisNode();
}

/** Refuses a key that is bound to some nodes where the admission names another one, or none. */
export function assertMaySpeakForNode(caller: Principal, node: string | null): void {
  if (!mayReadOf(caller, node)) throw notForThisNode();
}

function notForThisNode(): ProblemException {
  return new ProblemException(
    'forbidden',
    'This key may only speak for the nodes of auth.keys.nodes; name one of them, or add the node there',
  );
}
