import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { AdmissionRequest, Decision } from '../src/model/decision.js';
import type { LimitsLayer } from '../src/model/limits-document.js';
import { keys, request, streamOf, tenant, useBooks } from './fixture.js';

/** A bound of the user that no test reaches. */
export const OPEN: LimitsLayer = { maxSessionsPerUser: 0 };

/** For a suite of claims about limits: its books, and what such claims do. */
export function useLimits() {
  const books = useBooks();
  const ask = (id: string, more: Partial<AdmissionRequest> = {}) => books.store.admit(tenant, request(id, more));
  return {
    books,
    /** These are the limits from now on, beside an unlimited user. */
    limits: async (layer: LimitsLayer) => await books.store.limits.change(tenant, () => ({ ...OPEN, ...layer })),
    decide: async (id: string, more: Partial<AdmissionRequest> = {}): Promise<Decision> =>
      (await ask(id, more)).decision,
    check: async (id: string, more: Partial<AdmissionRequest> = {}) =>
      await books.store.check(tenant, request(id, more)),
    /** Admits one after the other, a millisecond apart, and insists on it. */
    admitAll: async (ids: string[], more: Partial<AdmissionRequest> = {}) => {
      for (const id of ids) {
        expect((await ask(id, more)).decision).toMatchObject({ kind: 'admitted', repeated: false });
        books.clock.advance(1);
      }
    },
    end: async (id: string) => await books.store.end(tenant, { sessionId: id }, { reason: 'completed', by: 'node' }),
    isLive: async (id: string) => (await books.store.get(tenant, { sessionId: id })).kind === 'live',
    events: async (type: string) =>
      (await streamOf(books.redis, keys.events)).filter((event) => event['type'] === type),
    refusals: async () => await streamOf(books.redis, keys.rejections),
  };
}

/** Everything that Redis has, but for what tells of refusals. */
export async function dump(redis: Redis): Promise<Map<string, string>> {
  const names = (await redis.keys('*')).filter((name) => name !== keys.rejections && name !== keys.refusals);
  const values = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
  return new Map(names.toSorted().map((name) => [name, values[names.indexOf(name)]?.toString('base64') ?? '']));
}

export const from = (sourceIp: string | null) => ({ facts: { ...request('x').facts, sourceIp } });
export const EMERGENCY = { priority: 'emergency' } as const;
