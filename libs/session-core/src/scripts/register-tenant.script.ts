import type { TenantRef } from '../keys.js';
import { BOOKS_FORMAT, DEFAULT_IDENTITY_RULES, type BooksIdentity } from '../model/identity/index.js';
import { ReplyReader } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const script = new TenantScript('register-tenant');

/**
 * What a tenant is when it is opened. `adopted`: it had no identity rules yet, and has those of the caller now. The others keep the caller
 * from its books. `mismatch`: it was created with another number of shards. `identity`: its names are read by other rules. `rekeying`: those
 * are being changed. `format`: this release does not know how its books are written.
 */
export type TenantOpening =
  | { kind: 'created' | 'adopted' | 'known' }
  | { kind: 'mismatch'; shards: number; createdAtMs: number }
  | { kind: 'identity'; registered: BooksIdentity }
  | { kind: 'rekeying'; registered: BooksIdentity; target: BooksIdentity }
  | { kind: 'format'; format: string };

/** Creates the tenant as it is named, unless it exists. */
export async function registerTenant(
  context: TenantContext,
  { shards, identity = DEFAULT_IDENTITY_RULES }: Omit<TenantRef, 'name'>,
): Promise<TenantOpening> {
  const reply = new ReplyReader(await script.inTenant(context, [shards, BOOKS_FORMAT, identity.case, identity.domain]));
  const kind = reply.text();
  switch (kind) {
    case 'created':
    case 'adopted':
    case 'known':
      return { kind };
    case 'mismatch':
      return { kind, shards: reply.integer(), createdAtMs: reply.integer() };
    case 'identity':
      return { kind, registered: readIdentity(reply) };
    case 'rekeying':
      return { kind, registered: readIdentity(reply), target: readIdentity(reply) };
    case 'format':
      return { kind, format: reply.text() };
    default:
      return reply.fail();
  }
}

export function readIdentity(reply: ReplyReader): BooksIdentity {
  return { case: reply.text() as BooksIdentity['case'], domain: reply.text() as BooksIdentity['domain'] };
}
