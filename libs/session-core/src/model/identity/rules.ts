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

/** Those of the rules that decide under which name a session is on the books. They are registered with the tenant. */
export type BooksIdentity = Pick<IdentityRules, 'case' | 'domain'>;

/** The format of the books that this release reads and writes; registered with the tenant beside the rules. */
export const BOOKS_FORMAT = 1;

/** What is added to names that scripts find the rules by; '' for the default ones. */
export function rulesMark({ case: letters, domain }: BooksIdentity = DEFAULT_IDENTITY_RULES): string {
  const isDefault = letters === DEFAULT_IDENTITY_RULES.case && domain === DEFAULT_IDENTITY_RULES.domain;
  return isDefault ? '' : `:${letters}:${domain}`;
}

export function isSameIdentity(one: BooksIdentity, other: BooksIdentity): boolean {
  return one.case === other.case && one.domain === other.domain;
}

/** The rules as messages have them. */
export function identityText({ case: letters, domain }: BooksIdentity): string {
  return `case: ${letters}, domain: ${domain}`;
}

/** Input that names nobody; `message` completes "this field …" and says what to send instead. */
export interface Refused {
  ok: false;
  message: string;
}

export function refused(message: string): Refused {
  return { ok: false, message };
}
