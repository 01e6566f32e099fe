import { describe, expect, it } from '@jest/globals';
import { shardKeys } from '../src/keys.js';
import type { EndReason } from '../src/model/session.js';
import { acme, BY_NODE, ONE, TWO, ZERO, useShards } from './transfer-shards.fixture.js';

describe('a handover to another shard whose process died between the steps', () => {
  const { books, ref, admit, authenticate, transfer, repair, where, eventsOf, typesOf, offered, claimed } = useShards();
  const to = { kind: 'authenticated', user: ONE } as const;

  it.each(['offer', 'claim'])('after the %s: it is completed by the sweep, once the lease is over', async (step) => {
    await admit('s', '');
    const first = await offered(0, to);
    if (step === 'claim') await claimed(0, first);
    expect(await books.store.transfers.repair(acme, 0, 10)).toBe(0);
    await repair();
    expect(await where()).toEqual([[1, 's', ONE]]);
    expect(await typesOf(1)).toEqual(['session.authenticated']);
    expect(await books.redis.exists(shardKeys(acme, 0).offers, shardKeys(acme, 0).offersDue)).toBe(0);
  });

  it('counts in both shards meanwhile, and is found where it goes to', async () => {
    await admit('s', '');
    await claimed(0, await offered(0, to));
    expect(await where()).toEqual([
      [0, 's', ''],
      [1, 's', ONE],
    ]);
    expect(await books.store.get(acme, ref())).toMatchObject({ kind: 'live', session: { user: ONE } });
    expect(await books.store.renew(acme, ref())).toMatchObject({ kind: 'live' });
  });

  it('is completed by the next call for it, whatever that asks for', async () => {
    await admit('s', '');
    await claimed(0, await offered(0, to));
    expect(await books.store.transfers.authenticate(acme, { sessionId: 's' }, ONE)).toMatchObject({ kind: 'live' });
    await admit('t', ZERO);
    await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: null }, 't');
    expect(await transfer('t', { user: TWO })).toMatchObject({ kind: 'live', session: { user: TWO } });
    await admit('u', ZERO);
    await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: null }, 'u');
    expect(await transfer('u')).toMatchObject({ kind: 'live', session: { user: ONE, node: 'b2bua-2' } });
    await repair();
    expect(await where()).toHaveLength(3);
  });

  it('comes to nothing if there is no room by then, and a late claim stays without effect', async () => {
    await admit('s', '');
    const first = await offered(0, to);
    for (const id of ['a', 'b']) await admit(id, ONE);
    await repair();
    expect((await where()).filter(([, id]) => id === 's')).toEqual([[0, 's', '']]);
    await books.store.end(acme, { sessionId: 'a' }, BY_NODE);
    expect(await claimed(0, first)).toEqual({ kind: 'declined' });
    expect((await where()).filter(([, id]) => id === 's')).toEqual([[0, 's', '']]);
    expect(await authenticate('s', ONE)).toMatchObject({ kind: 'live', changed: true });
  });

  it.each<[string, 'completed' | 'killed']>([
    ['its node ends it', 'completed'],
    ['Berth ends it', 'killed'],
  ])('is over in both shards when %s, before the claim or after', async (_, reason) => {
    const by = reason === 'completed' ? 'node' : 'berth';
    for (const [id, step, user] of [
      ['a', 'offer', undefined],
      ['b', 'claim', undefined],
      ['c', 'claim', ZERO],
      ['d', 'claim', ONE],
    ] as const) {
      await admit(id, ZERO);
      const first = await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }, id);
      if (step === 'claim') await claimed(0, first);
      const ended = await books.store.end(acme, { sessionId: id, ...(user !== undefined && { user }) }, { reason, by });
      expect(ended).toMatchObject({ kind: 'now' });
      await repair();
      expect(await where()).toEqual([]);
      expect(await books.store.get(acme, ref(id))).toMatchObject({ kind: 'ended' });
    }
    const ids = [...(await eventsOf(0)), ...(await eventsOf(1))].filter(({ type }) => type === 'session.ended');
    expect(new Set(ids.map(({ id }) => id)).size).toBe(4);
    expect((await books.redis.keys('*commands:n')).length).toBe(reason === 'killed' ? 1 : 0);
  });

  it('stays ended although nobody came by until its tombstone was gone', async () => {
    await admit('s', ZERO);
    await claimed(0, await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }));
    await books.store.end(acme, { sessionId: 's', user: ONE }, BY_NODE);
    await books.redis.del(shardKeys(acme, 1).session('s'));
    await repair();
    expect(await where()).toEqual([]);
  });

  it('is over when the sweep ended it in the old shard', async () => {
    await admit('s', '', { policy: { idleMs: 0, maxDurationMs: 5_000, reservationMs: 0 } });
    await claimed(0, await offered(0, to));
    books.clock.advance(5_000);
    expect((await books.store.sweep(acme, 0, 10)).ended).toHaveLength(1);
    await repair();
    expect(await where()).toEqual([]);
    expect((await eventsOf(1)).at(-1)).toMatchObject({ type: 'session.ended', reason: 'max_duration' });
  });

  it.each<EndReason>(['node_lost', 'node_restarted'])(
    'goes on with its new node when its old one went, %s',
    async (reason) => {
      await admit('s', ZERO);
      await claimed(0, await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }));
      await books.store.end(acme, { sessionId: 's', user: ZERO }, { reason, by: 'node' });
      await repair();
      expect(await where()).toEqual([[1, 's', ONE]]);
    },
  );

  it('is over when a later attempt took its place in the old shard', async () => {
    await admit('s', ZERO, { state: 'reserved' });
    await claimed(0, await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }));
    await admit('s', ZERO, { attempt: 2 });
    await repair();
    expect(await where()).toEqual([[0, 's', ZERO]]);
  });

  it('takes along that it was confirmed and renewed after the claim', async () => {
    const policy = { idleMs: 60_000, maxDurationMs: 0, reservationMs: 30_000 };
    await admit('s', '', { state: 'reserved', policy });
    await claimed(0, await offered(0, to));
    books.clock.advance(1_000);
    await books.store.confirm(acme, { sessionId: 's', user: ZERO });
    await books.store.renew(acme, { sessionId: 's', user: ZERO }, { bytesSent: 11 });
    const renewedAt = books.clock.nowMs;
    await repair();
    const after = await books.store.get(acme, ref());
    expect(after).toMatchObject({ session: { user: ONE, state: 'active', bytesSent: 11, endsByMs: null } });
    // The idle time begins with the confirmation, which comes to the new shard with the repair: later, never earlier.
    expect(after.kind === 'live' && after.session.expiresAtMs).toBeGreaterThanOrEqual(renewedAt + 60_000);
  });

  it('leaves the answer to a retry of its admission in either shard as it was', async () => {
    await admit('s', ZERO);
    await claimed(0, await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }));
    for (const user of [ZERO, ONE]) {
      expect(await admit('s', user)).toMatchObject({ kind: 'admitted', repeated: true });
    }
    await repair();
    expect(await where()).toEqual([[1, 's', ONE]]);
  });
});
