export { canonicalUser, userOfCalls } from './canonical.js';
export { identify, type Identified, type IdentitySources } from './identify.js';
export { UNPRINTABLE_IN_NAMES } from './printable.js';
export { formerUser, givenName, lacksDomain, renamedName, renamedUser, type IdentityChange } from './rename.js';
export {
  BOOKS_FORMAT,
  DEFAULT_IDENTITY_RULES,
  identityText,
  isSameIdentity,
  rulesMark,
  type BooksIdentity,
  type IdentityRules,
} from './rules.js';
