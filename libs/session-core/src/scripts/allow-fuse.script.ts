import { integer } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const script = new TenantScript('allow-fuse');

/** Lets through what a fuse has stopped. Returns false if no such fuse has tripped. */
export async function allowFuse(context: TenantContext, fuse: string, forMs: number): Promise<boolean> {
  return integer(await script.inTenant(context, [fuse, forMs])) === 1;
}
