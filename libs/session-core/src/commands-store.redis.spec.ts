import { beforeEach, describe, expect, it } from '@jest/globals';
import { COMMAND_LIFE_MS, type CommandsStore } from './commands-store.js';
import { shardKeys, shardNumbers } from './keys.js';
import { commandsOf, NODE, waiting } from '../test/commands.fixture.js';
import { admitted, keys, request, tenant, useBooks } from '../test/fixture.js';

const killed = { reason: 'killed', by: 'berth' } as const;

describe('what nodes must still do', () => {
  const books = useBooks();
  let commands: CommandsStore;

  beforeEach(async () => {
    commands = commandsOf(books);
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
  });

  const kill = async (sessionId: string, node = NODE) => {
    await admitted(books.store, request(sessionId, { node }));
    await books.store.end(tenant, { sessionId }, killed);
  };

  it('is every session that Berth has ended, with the reason', async () => {
    await kill('killed');
    await admitted(books.store, request('due', { policy: { idleMs: 0, maxDurationMs: 1_000, reservationMs: 0 } }));
    books.clock.advance(1_000);
    await books.store.sweep(tenant, 0, 10);
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1, action: 'terminate_oldest' }));
    await admitted(books.store, request('oldest'));
    books.clock.advance(1);
    await admitted(books.store, request('newest'));
    expect(await commands.oldest(tenant, NODE, 10)).toEqual({
      commands: [
        expect.objectContaining({ sessionId: 'killed', reason: 'killed', attempt: 1 }),
        expect.objectContaining({ sessionId: 'due', reason: 'max_duration' }),
        expect.objectContaining({ sessionId: 'oldest', reason: 'evicted' }),
      ],
      more: false,
    });
  });

  it('gives the oldest first, and says that there are more', async () => {
    for (let i = 0; i < 700; i++) {
      books.clock.advance(1);
      await kill(`call-${i}`);
    }
    const { commands: oldest, more } = await commands.oldest(tenant, NODE, 300);
    expect(more).toBe(true);
    expect(oldest.map(({ sessionId }) => sessionId)).toEqual(Array.from({ length: 300 }, (_, i) => `call-${i}`));
    expect(await commands.oldest(tenant, NODE, 700)).toMatchObject({ more: false });
    expect(new Set((await waiting(commands)).map(({ commandId }) => commandId)).size).toBe(700);
  });

  it('is counted over all nodes', async () => {
    expect(await commands.count(tenant)).toBe(0);
    for (let i = 0; i < 1_100; i++) await kill(`call-${i}`, `node-${i}`);
    await kill('one-more', 'node-0');
    expect(await commands.count(tenant)).toBe(1_101);
  });

  it('shows the nodes that were given something since a moment', async () => {
    await kill('a', 'node-1');
    const then = books.clock.nowMs;
    books.clock.advance(1_000);
    await kill('b', 'node-2');
    const since = async (ms: number) => await commands.commandedSince(tenant, 0, ms);
    expect(await since(0)).toEqual([
      { node: 'node-1', atMs: then },
      { node: 'node-2', atMs: then + 1_000 },
    ]);
    expect(await since(then + 1)).toEqual([{ node: 'node-2', atMs: then + 1_000 }]);
    expect(await since(then + 1_001)).toEqual([]);
  });

  it('is given up after a day, and not before', async () => {
    await kill('old');
    await kill('old-elsewhere', 'node-2');
    books.clock.advance(COMMAND_LIFE_MS - 1);
    await kill('young');
    expect(await commands.giveUpOld(tenant, 0, NODE)).toBe(0);
    books.clock.advance(1);
    expect(await commands.giveUpOld(tenant, 0, NODE)).toBe(1);
    expect(await commands.giveUpOld(tenant, 0, NODE)).toBe(0);
    expect((await waiting(commands)).map(({ sessionId }) => sessionId)).toEqual(['young']);
    expect(await commands.giveUpOld(tenant, 0, 'node-2')).toBe(1);
    expect(await books.redis.zrange(keys.commanded, '0', '-1')).toEqual([NODE]);
  });

  it('is given up in thousands, each once, by any number of callers', async () => {
    for (let i = 0; i < 1_000; i++) await kill(`call-${i}`);
    books.clock.advance(COMMAND_LIFE_MS);
    const given = await Promise.all([1, 2, 3].map(() => commands.giveUpOld(tenant, 0, NODE)));
    expect(given.reduce((sum, count) => sum + count)).toBe(1_000);
    expect(await books.redis.exists(keys.commands(NODE), keys.commanded)).toBe(0);
  });

  it('outlives neither a key that has expired nor what a foreign hand wrote there', async () => {
    await kill('call-1');
    await books.redis.hset(keys.commands(NODE), 'foreign', 'nonsense', 'other', '{}');
    expect((await waiting(commands)).map(({ sessionId }) => sessionId)).toEqual(['call-1']);
    expect(await commands.giveUpOld(tenant, 0, NODE)).toBe(2);
    await books.redis.del(keys.commands(NODE));
    expect(await commands.giveUpOld(tenant, 0, NODE)).toBe(0);
    expect(await books.redis.exists(keys.commanded)).toBe(0);
  });

  it('is found in whichever shards the users of a node live', async () => {
    const spread = { name: 'acme', shards: 4 };
    for (const user of ['alice', 'bob', 'carol', 'dave', 'erin']) {
      await books.store.admit(spread, request(`of-${user}`, { user }));
      await books.store.end(spread, { sessionId: `of-${user}`, user }, killed);
    }
    const found = await commands.oldest(spread, NODE, 10);
    expect(found.commands).toHaveLength(5);
    for (const { commandId } of found.commands) {
      expect(await commands.acknowledge(spread, NODE, commandId)).toBe('done');
    }
    expect(await commands.count(spread)).toBe(0);
    for (const shard of shardNumbers(spread)) {
      expect(await books.redis.exists(shardKeys(spread, shard).commanded)).toBe(0);
    }
  });

  it('is delivered by one at a time', async () => {
    const lease = async (holder: string, ms = 60_000) => await commands.leaseDelivery(tenant, NODE, holder, ms);
    expect(await lease('one')).toBe(true);
    expect(await lease('one')).toBe(true);
    expect(await lease('two')).toBe(false);
    expect(await lease('two', 0)).toBe(false);
    expect(await lease('one', 0)).toBe(true);
    expect(await lease('two')).toBe(true);
    expect(await books.redis.pttl(`berth:{default}:commands_lease:${NODE}`)).toBeGreaterThan(50_000);
  });

  it.each(['a/b?c[d]e', 'quo"te\'s <x> %41 \\ {y}', 'ünï/cödé', '-', '__proto__', '😀'.repeat(64), 'x'.repeat(256)])(
    'handles the hostile id %j like any other',
    async (name) => {
      await kill(name, name.slice(0, 64));
      const [command] = await waiting(commands, name.slice(0, 64));
      expect(command).toMatchObject({ sessionId: name });
      expect(await commands.acknowledge(tenant, name.slice(0, 64), command?.commandId ?? '')).toBe('done');
      expect(await waiting(commands, name.slice(0, 64))).toEqual([]);
    },
  );
});
