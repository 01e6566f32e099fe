import { beforeEach } from '@jest/globals';
import { shardKeys, shardOf, type TenantRef } from '../src/keys.js';
import { claim } from '../src/scripts/claim.script.js';
import type { Handover } from '../src/scripts/handover.js';
import { offer, OFFER_LEASE_MS, type Offered } from '../src/scripts/offer.script.js';
import { consistentBooks } from './consistent.js';
import { request, streamOf, useBooks } from './fixture.js';

export const BY_NODE = { reason: 'completed', by: 'node' } as const;
export const acme: TenantRef = { name: 'acme', shards: 3 };
const NAMES = ['alice', 'erin', 'mallory'];
const userOf = (shard: number) => NAMES.find((name) => shardOf(acme, name) === shard) ?? '';
export const [ZERO, ONE, TWO] = [userOf(0), userOf(1), userOf(2)];

/** Books of a tenant with three shards where a user may have two sessions, and the steps of a handover one by one. */
export function useShards() {
  const books = useBooks();
  const context = (shard: number) => ({
    client: books.redis,
    tenant: acme.name,
    shards: acme.shards,
    shard,
    clockMs: () => books.clock.nowMs,
  });
  const ref = (sessionId = 's') => ({ sessionId });
  const admit = async (id: string, user: string, overrides = {}) =>
    (await books.store.admit(acme, request(id, { user, ...overrides }))).decision;
  const authenticate = (id: string, user: string) => books.store.transfers.authenticate(acme, ref(id), user);
  const transfer = (id: string, target: object = {}) =>
    books.store.transfers.transfer(acme, ref(id), { node: 'b2bua-2', epoch: 7, ...target });
  const repair = async () => {
    books.clock.advance(OFFER_LEASE_MS);
    for (const shard of [0, 1, 2]) await books.store.transfers.repair(acme, shard, 10);
  };
  const where = async () =>
    (await consistentBooks(books.redis, acme)).map(({ shard, session }) => [shard, session.id, session.user]);
  const eventsOf = (shard: number) => streamOf(books.redis, shardKeys(acme, shard).events);
  const typesOf = async (shard: number) => (await eventsOf(shard)).map(({ type }) => type);

  /** The first steps alone, as if the process had died after them. */
  const offered = async (from: number, to: Handover, id = 's') => {
    const reply = await offer(context(from), { sessionId: id }, { to, token: 42 });
    if (reply.kind !== 'offered') throw new Error(reply.kind);
    return reply;
  };
  const claimed = async (from: number, of: Offered) => {
    if (of.kind !== 'offered') throw new Error(of.kind);
    return await claim(context(shardOf(acme, of.offer.to.user)), { offer: of.offer, from }, 60_000, of.seen);
  };

  beforeEach(async () => {
    await books.store.limits.change(acme, () => ({ maxSessionsPerUser: 2 }));
  });
  return { books, context, ref, admit, authenticate, transfer, repair, where, eventsOf, typesOf, offered, claimed };
}
