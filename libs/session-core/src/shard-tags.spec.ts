import { describe, expect, it } from '@jest/globals';
import slotOf from 'cluster-key-slot';
import fc from 'fast-check';
import { inForm } from '#testing';
import { shardKeys, shardNumbers, type TenantRef } from './keys.js';
import { shardTag } from './shard-tags.js';

const SLOTS = 16_384;

/** The last slot of each master, as `redis-cli --cluster create` deals them. */
function lastSlots(masters: number): number[] {
  const each = SLOTS / masters;
  return Array.from({ length: masters }, (_, i) => (i === masters - 1 ? SLOTS - 1 : Math.round((i + 1) * each - 1)));
}

function slotsOf(tenant: TenantRef): number[] {
  return shardNumbers(tenant).map((shard) => slotOf(shardKeys(tenant, shard).deadlines));
}

/** How many shards each master has. */
function sharesOf(slots: number[], masters: number): number[] {
  const shares = Array.from({ length: masters }, () => 0);
  const ends = lastSlots(masters);
  for (const slot of slots) shares[ends.findIndex((last) => slot <= last)]! += 1;
  return shares;
}

const names = fc.stringMatching(/^[a-z0-9-]{1,32}$/);

describe('the tag of a shard', () => {
  it('of a tenant with one shard is its name and 0', () => {
    expect(shardKeys({ name: 'default', shards: 1 }, 0).prefix).toBe('berth:{default/0}:');
  });

  it('stays what it is: the keys of living tenants are named by it', () => {
    expect([0, 1, 2].map((shard) => shardTag('acme', 3, shard))).toEqual(['acme/0.21', 'acme/1.30', 'acme/2.37']);
    expect(shardTag('default', 256, 255)).toBe('default/255.928');
  });

  it('lies in the middle of its part of the slots, and its keys in the slot of the tag', () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 2, max: 64 }), (name, shards) => {
        for (const [shard, slot] of slotsOf({ name, shards }).entries()) {
          expect(slot).toBe(slotOf(shardTag(name, shards, shard)));
          expect(Math.abs((slot + 0.5) / (SLOTS / shards) - shard - 0.5)).toBeLessThanOrEqual(1 / 32);
        }
      }),
      { numRuns: inForm({ short: 15, long: 50 }) },
    );
  });

  it('gives no master of a cluster more shards than another, or one more where they cannot be shared out evenly', () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 2, max: 64 }), fc.integer({ min: 1, max: 8 }), (name, shards, masters) => {
        const shares = sharesOf(slotsOf({ name, shards }), masters);
        expect(Math.max(...shares)).toBe(Math.ceil(shards / masters));
        expect(Math.min(...shares)).toBe(Math.floor(shards / masters));
      }),
      { numRuns: inForm({ short: 30, long: 100 }) },
    );
  });

  it('does so wherever in the middle the tags of a name are, with any number of shards and up to 16 masters', () => {
    const uneven: string[] = [];
    for (let shards = 2; shards <= 256; shards++) {
      const reach = SLOTS / shards / 32;
      const middles = Array.from({ length: shards }, (_, shard) => (shard + 0.5) * (SLOTS / shards) - 0.5);
      for (let masters = 1; masters <= 16; masters++) {
        // Up to the end of each master: the fewest and the most shards that there can be.
        const upTo = lastSlots(masters).map((last) => ({
          fewest: middles.filter((middle) => middle + reach <= last + 0.5).length,
          most: middles.filter((middle) => middle - reach <= last + 0.5).length,
        }));
        for (const [master, { fewest, most }] of upTo.entries()) {
          const before = upTo[master - 1] ?? { fewest: 0, most: 0 };
          const [least, highest] = [fewest - before.most, most - before.fewest];
          if (least < Math.floor(shards / masters) || highest > Math.ceil(shards / masters)) {
            uneven.push(`${shards} shards on ${masters} masters`);
          }
        }
      }
    }
    expect(uneven).toEqual([]);
  });

  it('is no other for a tenant or shard that was asked about before', () => {
    const before = shardTag('acme', 7, 3);
    expect(shardTag('acme', 8, 3)).not.toBe(before);
    expect(shardTag('acm', 7, 3)).not.toBe(before);
    expect(shardTag('acme', 7, 3)).toBe(before);
  });

  it('does not exist for a shard that the tenant does not have', () => {
    for (const shard of [-1, 3, 0.5, Number.NaN]) {
      expect(() => shardKeys({ name: 'acme', shards: 3 }, shard)).toThrow(RangeError);
    }
    expect(() => shardKeys({ name: 'default', shards: 1 }, 1)).toThrow('Tenant default has no shard 1, it has 1');
  });
});
