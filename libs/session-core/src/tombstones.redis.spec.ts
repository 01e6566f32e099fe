import { describe, expect, it } from '@jest/globals';
import type { EndReason } from './model/session.js';
import { withdraw } from './scripts/withdraw.script.js';
import { admitted, keys, request, tenant, useBooks, type Books } from '../test/fixture.js';

const LARGEST = {
  node: 'n'.repeat(128),
  epoch: Number.MAX_SAFE_INTEGER,
  attempt: 2 ** 31 - 1,
  groups: Array.from({ length: 8 }, (_, i) => `kind-${i}:${'g'.repeat(128)}`),
  facts: {
    ...request('').facts,
    from: `sip:${'f'.repeat(4_000)}@example.com`,
    to: `sip:${'t'.repeat(4_000)}@example.com`,
    metadata: { text: 'm'.repeat(4_000) },
  },
};
const TOTALS = {
  bytesSent: Number.MAX_SAFE_INTEGER,
  bytesReceived: Number.MAX_SAFE_INTEGER,
  packetsSent: Number.MAX_SAFE_INTEGER,
  packetsReceived: Number.MAX_SAFE_INTEGER,
  channels: Array.from({ length: 64 }, (_, i) => ({
    id: `${i}`,
    type: 'direct-tcpip' as const,
    host: 'h'.repeat(200),
  })),
};
const NOTE = 'n'.repeat(256);
const ref = { sessionId: 'call-1' };

/** What is kept of a session beside its id (which is in the key) and its user. */
const sizeOf = async ({ redis }: Books, user = 'alice') =>
  (await redis.getBuffer(keys.session('call-1')))!.length - user.length;

describe('the tombstone of a final ending', () => {
  const books = useBooks();
  const live = async () => {
    await admitted(books.store, request('call-1', LARGEST));
    await books.store.renew(tenant, ref, TOTALS);
  };
  const end = async (reason: EndReason, by: 'node' | 'berth') =>
    await books.store.end(tenant, ref, { reason, by, note: NOTE, endedBy: 'k'.repeat(128) });

  it.each([
    ['completed', 'node'],
    ['killed', 'berth'],
    ['evicted', 'berth'],
  ] as const)('keeps at most 300 bytes beside id and user: %s by %s', async (reason, by) => {
    await live();
    expect(await sizeOf(books)).toBeGreaterThan(12_000);
    await end(reason, by);
    expect(await sizeOf(books)).toBeLessThanOrEqual(300);
  });

  it('keeps at most 300 bytes where time ended it', async () => {
    await admitted(
      books.store,
      request('call-1', { ...LARGEST, policy: { idleMs: 0, maxDurationMs: 1_000, reservationMs: 0 } }),
    );
    await books.store.renew(tenant, ref, TOTALS);
    books.clock.advance(1_000);
    expect((await books.store.sweep(tenant, 0, 10)).ended).toHaveLength(1);
    expect(await sizeOf(books)).toBeLessThanOrEqual(300);
  });

  it('keeps at most 300 bytes and where it went, after a handover to another id', async () => {
    await live();
    const outcome = await books.store.transfers.transfer(tenant, ref, { node: 'b2bua-2', epoch: 1, newId: 'call-2' });
    expect(outcome.kind).toBe('live');
    expect(await sizeOf(books)).toBeLessThanOrEqual(300 + 'call-2'.length + 'alice'.length);
    expect(await books.store.get(tenant, ref)).toMatchObject({
      kind: 'ended',
      session: { endReason: 'transferred', movedTo: { sessionId: 'call-2' } },
    });
  });

  it('still keeps at most 300 bytes with as many withdrawn admissions as it remembers', async () => {
    await live();
    await end('killed', 'berth');
    const context = { client: books.redis, tenant: tenant.name, shards: 1, shard: 0 };
    for (let i = 1; i <= 12; i += 1) {
      const withdrawal = { ...ref, attempt: LARGEST.attempt, token: 2 ** 32 - i, rememberedMs: 60_000, address: '' };
      await withdraw(context, withdrawal);
    }
    expect(await sizeOf(books)).toBeLessThanOrEqual(300);
  });

  it('shows how it ended and what it used; the rest is empty and says so', async () => {
    await live();
    await end('killed', 'berth');
    const outcome = await books.store.get(tenant, ref);
    expect(outcome).toMatchObject({
      kind: 'ended',
      session: {
        whole: false,
        user: 'alice',
        node: LARGEST.node,
        epoch: LARGEST.epoch,
        attempt: LARGEST.attempt,
        endReason: 'killed',
        bytesSent: TOTALS.bytesSent,
        packetsReceived: TOTALS.packetsReceived,
        from: null,
        groups: [],
        channels: [],
        metadata: null,
      },
    });
  });

  it('says to whoever ends it what the session was', async () => {
    await live();
    const outcome = await end('killed', 'berth');
    expect(outcome).toMatchObject({ kind: 'now', session: { from: LARGEST.facts.from, sourceIp: '192.0.2.10' } });
  });

  it('keeps a note that fits', async () => {
    await admitted(books.store, request('call-1'));
    await books.store.end(tenant, ref, { reason: 'killed', by: 'berth', note: 'asked to' });
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { note: 'asked to' } });
  });
});

describe('the tombstone of a provisional ending', () => {
  const books = useBooks();
  const reconciled = { reason: 'reconciled', by: 'node' } as const;

  it('keeps the whole record, which may be restored, and sheds it once the end is final', async () => {
    await admitted(books.store, request('call-1', LARGEST));
    await books.store.renew(tenant, ref, TOTALS);
    await books.store.end(tenant, ref, reconciled);
    expect(await sizeOf(books)).toBeGreaterThan(12_000);
    expect(await books.store.get(tenant, ref)).toMatchObject({
      session: { whole: true, from: LARGEST.facts.from, groups: LARGEST.groups, channels: TOTALS.channels },
    });
    await books.store.end(tenant, ref, { reason: 'completed', by: 'node' });
    expect(await sizeOf(books)).toBeLessThanOrEqual(300);
    expect(await books.store.get(tenant, ref)).toMatchObject({
      session: { whole: false, endReason: 'reconciled', bytesSent: TOTALS.bytesSent },
    });
  });
});
