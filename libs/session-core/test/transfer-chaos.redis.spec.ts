import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { shardKeys, type TenantRef } from '../src/keys.js';
import { OFFER_LEASE_MS } from '../src/scripts/offer.script.js';
import { SessionStore } from '../src/session-store.js';
import { consistentBooks, countOf } from './consistent.js';
import { request, streamOf, useBooks } from './fixture.js';

const acme: TenantRef = { name: 'acme', shards: 3 };
const USERS = ['erin', 'mallory', 'alice', 'grace', 'trent', 'bob'];
const SESSIONS = 30;
const ROUNDS = 12;
const MAX = 3;

/** Numbers as random as a test needs them, the same for the same seed. */
function randomness(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A connection that breaks before a call is sent, or before its answer arrives. */
function breaking(client: Redis, random: () => number): Redis {
  const lost = () => Object.assign(new Error('connect ECONNRESET'), { code: 'ECONNRESET' });
  const callBuffer = async (command: string, list: (string | number | Buffer)[]) => {
    if (random() < 0.08) throw lost();
    const answer = await client.callBuffer(command, list);
    if (random() < 0.08) throw lost();
    return answer;
  };
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'callBuffer') return callBuffer;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
    },
  });
}

describe('handing over while connections break', () => {
  const books = useBooks();

  it.each([1, 2, 3, 4, 5])(
    'ends with every session on the books once, or ended, and no limit exceeded: seed %i',
    async (seed) => {
      const random = randomness(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
      const { redis, clock } = books;
      const options = { deadlineMs: 60_000, tombstoneMs: 60_000, clockMs: () => clock.nowMs };
      const sound = new SessionStore({ client: redis, ...options });
      const stores = [1, 2, 3].map(() => new SessionStore({ client: breaking(redis, random), ...options }));
      await sound.limits.change(acme, () => ({ maxSessionsPerUser: MAX }));

      const ids = Array.from({ length: SESSIONS }, (_, i) => `s${i}`);
      for (const id of ids) await sound.admit(acme, request(id, { user: '' }));
      const ended = new Set<string>();
      const act = async (store: SessionStore, id: string): Promise<void> => {
        const { transfers } = store;
        const what = random();
        if (what < 0.4) await transfers.authenticate(acme, { sessionId: id }, pick(USERS));
        else if (what < 0.8)
          await transfers.transfer(acme, { sessionId: id }, { node: pick(['n1', 'n2']), epoch: 1, user: pick(USERS) });
        else if (what < 0.85) {
          ended.add(id);
          await store.end(acme, { sessionId: id }, { reason: 'completed', by: 'node' });
        } else if (what < 0.95) await store.renew(acme, { sessionId: id }, { bytesSent: 1 });
        else for (const shard of [0, 1, 2]) await transfers.repair(acme, shard, 10);
      };
      for (let round = 0; round < ROUNDS; round++) {
        await Promise.allSettled(Array.from({ length: 40 }, () => act(pick(stores), pick(ids))));
        for (const user of USERS) expect(await countOf(redis, acme, user)).toBeLessThanOrEqual(MAX);
        const present = new Set((await consistentBooks(redis, acme)).map(({ session }) => session.id));
        expect(ids.filter((id) => !present.has(id) && !ended.has(id))).toEqual([]);
        if (round % 3 === 0) clock.advance(OFFER_LEASE_MS);
      }

      for (const id of ended) await sound.end(acme, { sessionId: id }, { reason: 'completed', by: 'node' });
      clock.advance(OFFER_LEASE_MS);
      for (const shard of [0, 1, 2]) await sound.transfers.repair(acme, shard, 100);
      const left = (await consistentBooks(redis, acme)).map(({ session }) => session.id);
      expect(left.toSorted()).toEqual(ids.filter((id) => !ended.has(id)).toSorted());
      for (const shard of [0, 1, 2]) {
        const keys = shardKeys(acme, shard);
        expect(await redis.exists(keys.offers, keys.offersDue)).toBe(0);
        for (const event of await streamOf(redis, keys.events)) {
          if (event['type'] === 'session.ended') expect(ended.has(event['sessionId'] ?? '')).toBe(true);
        }
      }
    },
  );
});
