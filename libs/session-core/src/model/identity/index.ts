export { canonicalUser } from './canonical.js';
export { identify, type Identified, type IdentitySources } from './identify.js';
export { DEFAULT_IDENTITY_RULES, type IdentityRules } from './rules.js';
