import { describe, expect, it } from '@jest/globals';
import { NodesStore } from './nodes-store.js';
import { keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';
import { acme, ONE, useShards, ZERO } from '../test/transfer-shards.fixture.js';

const KILL = { reason: 'killed', note: 'fraud', by: 'berth', endedBy: 'ops' } as const;
const POLICY = { leaseMs: 15_000, missedBeats: 3, snapshotIntervalMs: 60_000, fuseNodes: 0.5 } as never;

describe('who ended it', () => {
  const books = useBooks();
  const ends = async () =>
    (await streamOf(books.redis, keys.events))
      .filter(({ type }) => type === 'session.ended')
      .map(({ sessionId, reason, by }) => ({ sessionId, reason, by }));

  it('stands in the event and in the tombstone of a killed session', async () => {
    await books.store.admit(tenant, request('a'));
    const outcome = await books.store.end(tenant, { sessionId: 'a' }, KILL);
    expect(outcome).toMatchObject({ kind: 'now', session: { endReason: 'killed', endedBy: 'ops', movedTo: null } });
    expect(await ends()).toEqual([{ sessionId: 'a', reason: 'killed', by: 'ops' }]);
    const ended = { kind: 'ended', session: { endedBy: 'ops', note: 'fraud', movedTo: null } };
    expect(await books.store.get(tenant, { sessionId: 'a' })).toMatchObject(ended);
    expect((await books.store.admit(tenant, request('a'))).decision).toMatchObject(ended);
  });

  it('is nobody where the server ended it, and where it was due', async () => {
    for (const id of ['a', 'b']) await books.store.admit(tenant, request(id));
    await books.store.end(tenant, { sessionId: 'a' }, { reason: 'completed', by: 'node' });
    books.clock.advance(86_400_000);
    await books.store.sweep(tenant, 0, 10);
    expect(await ends()).toEqual([
      { sessionId: 'a', reason: 'completed', by: undefined },
      { sessionId: 'b', reason: 'max_duration', by: undefined },
    ]);
  });

  it('is the first who killed it, and nobody of those who come later', async () => {
    await books.store.admit(tenant, request('a'));
    await books.store.end(tenant, { sessionId: 'a' }, KILL);
    await books.store.end(tenant, { sessionId: 'a' }, { ...KILL, endedBy: 'late' });
    await books.store.end(tenant, { sessionId: 'a' }, { reason: 'completed', by: 'node' });
    expect(await books.store.get(tenant, { sessionId: 'a' })).toMatchObject({ session: { endedBy: 'ops' } });
    expect(await ends()).toEqual([{ sessionId: 'a', reason: 'killed', by: 'ops' }]);
  });

  it('lets a later attempt of a killed session in, which nobody has ended', async () => {
    await books.store.admit(tenant, request('a'));
    await books.store.end(tenant, { sessionId: 'a' }, KILL);
    expect((await books.store.admit(tenant, request('a', { attempt: 2 }))).decision).toMatchObject({
      kind: 'admitted',
    });
    await books.store.end(tenant, { sessionId: 'a' }, { reason: 'completed', by: 'node' });
    expect(await books.store.get(tenant, { sessionId: 'a' })).toMatchObject({ session: { endedBy: null } });
  });

  it('is who lowered the limit, where sessions above it are ended at once', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 3 }));
    for (const id of ['a', 'b']) await books.store.admit(tenant, request(id));
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    const { ended } = await books.store.trim(tenant, 'user:alice', 10, 'ops');
    expect(ended).toMatchObject([{ endedBy: 'ops' }]);
    expect(await ends()).toEqual([{ sessionId: 'b', reason: 'evicted', by: 'ops' }]);
  });

  it('is who had the run of a node end, for all that it held', async () => {
    await books.store.admit(tenant, request('a', { node: 'n:1', epoch: 7 }));
    await books.store.admit(tenant, request('b', { node: 'n:1', epoch: 7 }));
    await books.store.admit(tenant, request('c', { node: 'n:2', epoch: 7 }));
    await books.redis.zadd(keys.departed, '1', 'killed=ops:n:1:7', '2', 'node_restarted:n:2:7');
    const options = { client: books.redis, deadlineMs: 60_000, tombstoneMs: 60_000, policy: POLICY };
    const nodes = new NodesStore({ ...options, clockMs: () => books.clock.nowMs });
    expect([...(await nodes.drain(tenant, 0, 10)).ended].map(({ endedBy }) => endedBy)).toEqual(['ops', 'ops']);
    expect([...(await nodes.drain(tenant, 0, 10)).ended].map(({ endedBy }) => endedBy)).toEqual([null]);
    expect((await ends()).toSorted((x, y) => (x.sessionId! < y.sessionId! ? -1 : 1))).toEqual([
      { sessionId: 'a', reason: 'killed', by: 'ops' },
      { sessionId: 'b', reason: 'killed', by: 'ops' },
      { sessionId: 'c', reason: 'node_restarted', by: undefined },
    ]);
  });
});

describe('who ended it, of a session on its way to another shard', () => {
  const { books, ref, admit, repair, eventsOf, offered, claimed } = useShards();

  it('stands in the events of both shards', async () => {
    await admit('s', ZERO);
    await claimed(0, await offered(0, { kind: 'transferred', user: ONE, node: 'n', epoch: 3 }));
    await books.store.end(acme, { ...ref(), user: ZERO }, { ...KILL, attempt: 1 });
    await repair();
    for (const shard of [0, 1]) {
      const ended = (await eventsOf(shard)).filter(({ type }) => type === 'session.ended');
      expect(ended).toMatchObject([{ sessionId: 's', reason: 'killed', note: 'fraud', by: 'ops' }]);
    }
  });
});
