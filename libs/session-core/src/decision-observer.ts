import { StoreUnavailableError } from './errors.js';
import type { ShardContext } from './scripts/script.js';

/** Hears how decisions fare, shard by shard. Called on the way of each: it must be quick, and must not throw. */
export interface DecisionObserver {
  decided(tenant: string, shard: number): void;
  failed(tenant: string, shard: number, error: StoreUnavailableError): void;
}

/** Makes the decision, and says how it fared. */
export async function observed<T>(
  observer: DecisionObserver | undefined,
  { tenant, shard }: ShardContext,
  decide: () => Promise<T>,
): Promise<T> {
  try {
    const decision = await decide();
    observer?.decided(tenant, shard);
    return decision;
  } catch (error) {
    if (error instanceof StoreUnavailableError) observer?.failed(tenant, shard, error);
    throw error;
  }
}
