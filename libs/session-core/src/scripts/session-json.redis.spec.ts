import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../../test/fixture.js';
import { acme, ONE, useShards } from '../../test/transfer-shards.fixture.js';
import { entry, NODE, Reconciling } from '../../test/snapshot.fixture.js';
import { shardKeys } from '../keys.js';

/** What a second encoder would change or refuse: long numbers, empty lists and objects, depth, half a character. */
const METADATA = {
  n: 1_763_700_000_001_234,
  f: 0.1234567890123456,
  e: [],
  o: {},
  nested: { list: [1, [], {}, null, 1e300], text: 'é/"\\\u2028\ud800', deep: JSON.parse('[1e21]') as unknown },
  wide: JSON.parse(`${'['.repeat(1_200)}${']'.repeat(1_200)}`) as unknown,
};
const TEXT = `"metadata":${JSON.stringify(METADATA)}`;
const withMetadata = (overrides: Parameters<typeof request>[1] = {}) => ({
  ...overrides,
  facts: { ...request('x').facts, metadata: METADATA },
});

describe('the session in an event carries the metadata of its admission to the letter', () => {
  const books = useBooks();
  const told = async (key = keys.events) =>
    (await streamOf(books.redis, key)).flatMap(({ type = '', session = '' }) =>
      type.startsWith('session.') ? [[type, session.includes(TEXT)]] : [],
    );
  const stored = async (sessionId: string) => {
    const outcome = await books.store.get(tenant, { sessionId });
    return outcome.kind === 'live' || outcome.kind === 'ended' ? outcome.session?.metadata : undefined;
  };

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
  });

  it('when it is admitted, confirmed and transferred', async () => {
    await admitted(books.store, request('a', withMetadata({ state: 'reserved' })));
    await books.store.confirm(tenant, { sessionId: 'a' });
    const target = { node: 'b2bua-2', epoch: 7, user: 'bob', newId: 'b' };
    await books.store.transfers.transfer(tenant, { sessionId: 'a' }, target);
    expect(await told()).toEqual([
      ['session.reserved', true],
      ['session.confirmed', true],
      ['session.ended', false],
      ['session.transferred', true],
    ]);
    expect([await stored('a'), await stored('b')]).toEqual([null, METADATA]);
  });

  it('when it is authenticated', async () => {
    await admitted(books.store, request('a', withMetadata({ user: '' })));
    await books.store.transfers.authenticate(tenant, { sessionId: 'a' }, 'alice');
    expect(await told()).toEqual([
      ['session.admitted', true],
      ['session.authenticated', true],
    ]);
  });

  it('when a snapshot says that it was answered, and when its lost node returns with it', async () => {
    const r = new Reconciling(books);
    await r.beat();
    await admitted(books.store, request('a', withMetadata({ state: 'reserved' })));
    await r.list([entry('a', { state: 'active' })]);
    await r.pass(30_000);
    expect((await books.store.get(tenant, { sessionId: 'a' })).kind).toBe('ended');
    await r.list([entry('a')]);
    expect(await told()).toEqual([
      ['session.reserved', true],
      ['session.confirmed', true],
      ['session.ended', false],
      ['session.adopted', true],
    ]);
    expect(await stored('a')).toEqual(METADATA);
    expect(await books.redis.smembers(keys.nodeSessions(NODE, 1_763_700_000_000))).toEqual(['a']);
  });

  it('and says nothing of one that has none', async () => {
    await admitted(books.store, request('a', { state: 'reserved', facts: { ...request('x').facts, metadata: null } }));
    await books.store.confirm(tenant, { sessionId: 'a' });
    const [, confirmed] = await streamOf(books.redis, keys.events);
    expect(JSON.parse(confirmed?.['session'] ?? '')).not.toHaveProperty('metadata');
    expect(await stored('a')).toBeNull();
  });
});

describe('the session in an event', () => {
  const books = useBooks();
  const told = async () =>
    (await streamOf(books.redis, keys.events)).map(
      ({ session = '' }) => JSON.parse(session) as Record<string, unknown>,
    );
  const { policy, facts } = request('x');
  const none = { from: null, to: null, sourceIp: null, sourcePort: null, destination: null, direction: null };

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
  });

  it.each([
    [
      'hardly anything',
      {
        user: '',
        node: null,
        epoch: null,
        facts: { ...facts, ...none, metadata: null },
        policy: { ...policy, maxDurationMs: 0 },
      },
    ],
    [
      'everything',
      {
        priority: 'emergency' as const,
        groups: ['trunk:w/"\\'],
        facts: { ...facts, correlationId: 'c', metadata: {} },
      },
    ],
    ['a node that is not watched', { epoch: null }],
  ])('is the same from its admission on, with %s', async (_, said) => {
    await admitted(books.store, request('a', { ...said, state: 'reserved' }));
    await books.store.confirm(tenant, { sessionId: 'a' });
    const [reserved = {}, confirmed] = await told();
    expect({ state: 'reserved', ...confirmed }).toEqual(reserved);
    expect(confirmed).not.toHaveProperty('state');
  });

  it('leaves out what is null, empty, 0 or usual, and the tenant, which the event says', async () => {
    const bare = {
      user: '',
      node: null,
      epoch: null,
      facts: { ...facts, ...none, metadata: null },
      policy: { ...policy, maxDurationMs: 0 },
    };
    await admitted(books.store, request('a', bare));
    await admitted(books.store, request('b', { priority: 'emergency', groups: ['trunk:west'] }));
    expect(await told()).toEqual([
      { id: 'a', attempt: 1, protocol: 'sip' },
      {
        id: 'b',
        attempt: 1,
        user: 'alice',
        node: 'b2bua-1',
        epoch: 1_763_700_000_000,
        groups: ['trunk:west', 'priority:emergency'],
        priority: 'emergency',
        maxDurationMs: policy.maxDurationMs,
        ...(({ correlationId: _none, ...said }) => said)(facts),
      },
    ]);
  });
});

describe('a session that moves to another shard', () => {
  const { books, admit, authenticate } = useShards();

  it('takes its metadata along to the letter', async () => {
    await admit('s', '', withMetadata());
    await authenticate('s', ONE);
    const [authenticated] = await streamOf(books.redis, shardKeys(acme, 1).events);
    expect(authenticated?.['type']).toBe('session.authenticated');
    expect(authenticated?.['session']).toContain(TEXT);
    expect(await books.store.get(acme, { sessionId: 's' })).toMatchObject({ session: { metadata: METADATA } });
  });
});
