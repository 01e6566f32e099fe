import { beforeEach, describe, expect, it } from '@jest/globals';
import { commandsOf, NODE, waiting } from '../../test/commands.fixture.js';
import { admitted, keys, request, sessionKeys, tenant, useBooks } from '../../test/fixture.js';
import type { CommandsStore } from '../commands-store.js';

describe('acknowledge', () => {
  const books = useBooks();
  let commands: CommandsStore;

  beforeEach(() => {
    commands = commandsOf(books);
  });

  const killed = { reason: 'killed', by: 'berth' } as const;
  const byNode = { reason: 'completed', by: 'node' } as const;
  const kill = async (sessionId: string, attempt = 1) => {
    await admitted(books.store, request(sessionId, { attempt }));
    await books.store.end(tenant, { sessionId }, killed);
    const [command] = (await waiting(commands)).filter((waits) => waits.sessionId === sessionId);
    if (command === undefined) throw new Error(`${sessionId} gave no command`);
    return command.commandId;
  };
  const acknowledge = async (commandId: string, node = NODE) => await commands.acknowledge(tenant, node, commandId);

  it('ends the command; nothing is left but a tombstone of a minute', async () => {
    const id = await kill('call-1');
    expect(await books.redis.ttl(keys.session('call-1'))).toBeGreaterThan(60);
    expect(await acknowledge(id)).toBe('done');
    expect(await waiting(commands)).toEqual([]);
    expect(await sessionKeys(books.redis)).toEqual([keys.session('call-1')]);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeLessThanOrEqual(60);
  });

  it('changes nothing the second time, nor when the tombstone has gone', async () => {
    const id = await kill('call-1');
    await acknowledge(id);
    expect(await acknowledge(id)).toBe('before');
    await books.redis.del(keys.session('call-1'));
    expect(await acknowledge(id)).toBe('before');
    expect(await sessionKeys(books.redis)).toEqual([]);
  });

  it('is as good after the node has ended the session itself', async () => {
    const id = await kill('call-1');
    await books.store.end(tenant, { sessionId: 'call-1' }, byNode);
    expect(await waiting(commands)).toEqual([]);
    expect(await acknowledge(id)).toBe('before');
  });

  it('keeps the node listed while it has others', async () => {
    const id = await kill('call-1');
    await kill('call-2');
    await acknowledge(id);
    expect((await waiting(commands)).map(({ sessionId }) => sessionId)).toEqual(['call-2']);
    expect(await books.redis.zrange(keys.commanded, '0', '-1')).toEqual([NODE]);
  });

  it('touches neither a later attempt that lives nor the command for it', async () => {
    const first = await kill('call-1', 1);
    await admitted(books.store, request('call-1', { attempt: 2 }));
    expect(await acknowledge(first)).toBe('done');
    expect(await books.store.get(tenant, { sessionId: 'call-1' })).toMatchObject({
      kind: 'live',
      session: { attempt: 2 },
    });
    expect(await books.redis.ttl(keys.session('call-1'))).toBe(-1);

    await books.store.end(tenant, { sessionId: 'call-1' }, killed);
    expect(await acknowledge(first)).toBe('before');
    expect(await waiting(commands)).toEqual([expect.objectContaining({ attempt: 2 })]);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeGreaterThan(60);
  });

  it('does not take a later session with the same id and attempt for the one that it was about', async () => {
    const first = await kill('call-1');
    await acknowledge(first);
    await books.redis.del(keys.session('call-1'));
    books.clock.advance(120_000);
    await kill('call-1');
    expect(await acknowledge(first)).toBe('before');
    expect(await waiting(commands)).toHaveLength(1);
  });

  it("is no other node's to give", async () => {
    const id = await kill('call-1');
    expect(await acknowledge(id, 'b2bua-2')).toBe('foreign');
    expect(await waiting(commands)).toHaveLength(1);
  });

  it('refuses what is no id, and finds nothing in a shard that is not there', async () => {
    await expect(acknowledge('nonsense')).rejects.toMatchObject({ code: 'invalid-request', path: 'commandId' });
    const elsewhere = { name: 'acme', shards: 4 };
    await books.store.limits.change(elsewhere, () => ({}));
    const far = Buffer.from(await kill('call-1'), 'base64url');
    far.writeUInt16BE(9, 0);
    expect(await acknowledge(far.toString('base64url'))).toBe('foreign');
  });

  it('works with full memory', async () => {
    const id = await kill('call-1');
    await books.redis.config('SET', 'maxmemory', '1mb');
    try {
      expect(await acknowledge(id)).toBe('done');
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
  });

  it('makes a provisional ending final: the node says that it does not hold the session', async () => {
    await admitted(books.store, request('call-1'));
    await books.store.end(tenant, { sessionId: 'call-1' }, { reason: 'reconciled', by: 'berth' });
    const stateOf = async () => (await books.redis.getBuffer(keys.session('call-1')))?.toString('latin1');
    expect(await stateOf()).toContain('\xa1p');
    const [command] = await waiting(commands);
    expect(await acknowledge(command?.commandId ?? '')).toBe('done');
    expect(await stateOf()).not.toContain('\xa1p');
    expect(await books.redis.ttl(keys.session('call-1'))).toBeLessThanOrEqual(60);
  });
});
