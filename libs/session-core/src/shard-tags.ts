import slotOf from 'cluster-key-slot';

const SLOTS = 16_384;

/**
 * A tag may be so far from the middle of its shard's part of the slots, in parts: a thirty-second on either side. With this no name gives
 * one of up to 16 masters two shards more than another; with the middle half of a part that happens from five masters on.
 *
 * Never change it: the keys of every tenant with several shards would have other names.
 */
const REACH = 1 / 32;

const known = new Map<string, string[]>();

/**
 * What stands between the braces of a shard's keys and thereby chooses their slot: `name/0` for the only shard, else `name/shard.k`, with
 * the smallest `k` that puts the tag into the middle of the shard's equal part of all slots. Every process finds the same without asking.
 *
 * Masters hold equal ranges of slots in a row, so the shards are spread evenly over any number of them. Throws RangeError for a
 * shard that the tenant does not have.
 */
export function shardTag(name: string, shards: number, shard: number): string {
  if (!Number.isInteger(shard) || shard < 0 || shard >= shards) {
    throw new RangeError(`Tenant ${name} has no shard ${shard}, it has ${shards}`);
  }
  if (shards === 1) return `${name}/0`;
  let tags = known.get(`${name}/${shards}`);
  if (tags === undefined) known.set(`${name}/${shards}`, (tags = []));
  return (tags[shard] ??= findTag(name, shards, shard));
}

function findTag(name: string, shards: number, shard: number): string {
  const part = SLOTS / shards;
  const middle = (shard + 0.5) * part;
  for (let k = 0; ; k++) {
    const tag = `${name}/${shard}.${k}`;
    if (Math.abs(slotOf(tag) + 0.5 - middle) <= REACH * part) return tag;
  }
}
