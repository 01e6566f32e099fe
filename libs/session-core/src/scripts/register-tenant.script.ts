import { ReplyReader } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const script = new TenantScript('register-tenant');

/** What a tenant is when it is opened. `mismatch`: it was created with another number of shards. */
export type TenantOpening = { kind: 'created' | 'known' } | { kind: 'mismatch'; shards: number; createdAtMs: number };

/** Creates the tenant with so many shards, unless it exists. */
export async function registerTenant(context: TenantContext, shards: number): Promise<TenantOpening> {
  const reply = new ReplyReader(await script.inTenant(context, [shards]));
  const kind = reply.text();
  switch (kind) {
    case 'created':
    case 'known':
      return { kind };
    case 'mismatch':
      return { kind, shards: reply.integer(), createdAtMs: reply.integer() };
    default:
      return reply.fail();
  }
}
