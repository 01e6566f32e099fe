import { describe, expect, it } from '@jest/globals';
import { shardKeys, tenantKeys } from '../keys.js';
import { TenantsStore } from '../tenants-store.js';
import { admitted, request, tenant, useBooks } from '../../test/fixture.js';

const books = useBooks();
const tenants = (client = books.redis) =>
  new TenantsStore({ client, deadlineMs: 60_000, clockMs: () => books.clock.nowMs });

describe('a tenant', () => {
  it('is created by whoever opens it first, and known to everybody after', async () => {
    expect(await tenants().open({ name: 'acme', shards: 3 })).toEqual({ kind: 'created' });
    expect(await books.redis.hgetall(tenantKeys('acme').registration)).toEqual({
      shards: '3',
      created_at: String(books.clock.nowMs),
      format: '1',
      case: 'fold',
      domain: 'drop',
    });
    books.clock.advance(1_000);
    expect(await tenants().open({ name: 'acme', shards: 3 })).toEqual({ kind: 'known' });
    expect(await tenants().open({ name: 'other', shards: 1 })).toEqual({ kind: 'created' });
  });

  it('keeps its number of shards, and says since when it has it', async () => {
    const createdAtMs = books.clock.nowMs;
    await tenants().open({ name: 'acme', shards: 3 });
    books.clock.advance(1_000);
    expect(await tenants().open({ name: 'acme', shards: 4 })).toEqual({ kind: 'mismatch', shards: 3, createdAtMs });
    expect(await tenants().open({ name: 'acme', shards: 3 })).toEqual({ kind: 'known' });
  });

  it('has one number of shards however many processes race with different ones', async () => {
    for (let round = 0; round < 20; round++) {
      const name = `raced-${round}`;
      const processes = [2, 3, 4, 2, 3, 4].map((shards) => ({ shards, store: tenants(books.server.client()) }));
      const openings = await Promise.all(
        processes.map(async ({ shards, store }) => ({ asked: shards, ...(await store.open({ name, shards })) })),
      );
      const won = openings.find(({ kind }) => kind === 'created')?.asked;
      expect(openings.map(({ kind }) => kind).toSorted()).toEqual(['created', 'known', ...repeated('mismatch', 4)]);
      for (const opening of openings) expect(opening.kind !== 'mismatch').toBe(opening.asked === won);
    }
  });

  it('that has sessions and no registration is created as it is configured', async () => {
    await books.store.limits.change(tenant, () => ({}));
    await admitted(books.store, request('call'));
    expect(await tenants().open(tenant)).toEqual({ kind: 'created' });
    expect(await books.redis.zcard(shardKeys(tenant, 0).deadlines)).toBe(1);
  });

  it('can be opened when memory is full', async () => {
    await books.redis.config('SET', 'maxmemory', '1');
    try {
      expect(await tenants().open(tenant)).toEqual({ kind: 'created' });
      expect(await tenants().open({ ...tenant, shards: 2 })).toMatchObject({ kind: 'mismatch', shards: 1 });
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
  });
});

function repeated<T>(value: T, times: number): T[] {
  return Array.from({ length: times }, () => value);
}
