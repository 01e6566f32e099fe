import type { TenantRef } from './keys.js';

/** For how long endings that their node knows of are remembered, milliseconds: for all tenants, or of each, read at each call. */
export type Tombstones = number | ((tenant: string) => number);

export function tombstoneOf({ tombstoneMs }: { readonly tombstoneMs: Tombstones }, { name }: TenantRef): number {
  return typeof tombstoneMs === 'number' ? tombstoneMs : tombstoneMs(name);
}
