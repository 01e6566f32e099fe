/** How a tenant reads names: section `identity` of the configuration. */
export interface IdentityRules {
  /** `fold`: Alice and alice are one user. */
  case: 'fold' | 'keep';
  /** `drop`: alice@a.example and alice@b.example are one user. */
  domain: 'drop' | 'keep';
  /** Which source wins where several are given; a `user` given outright wins over both. `user`: nothing else counts. */
  userFrom: 'from' | 'asserted' | 'user';
}

export const DEFAULT_IDENTITY_RULES: IdentityRules = { case: 'fold', domain: 'drop', userFrom: 'from' };

/** Input that names nobody; `message` completes "this field …" and says what to send instead. */
export interface Refused {
  ok: false;
  message: string;
}

export function refused(message: string): Refused {
  return { ok: false, message };
}
