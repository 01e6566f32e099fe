import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { inboxKeys, shardKeys } from '#session-core';
import { describeWith } from '#testing';

import { forEachTest, tenantsWith, type AdminSuite } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT } from '../limits-admin.fixture.js';

const ARRIVED_MS = 1_700_000_000_000;

describeWith(['redis-server'], 'dead letters over the admin API', () => {
  let admin: Admin;
  let client: Redis;
  let start: AdminSuite['start'];

  forEachTest(async (suite) => {
    ({ client, start } = suite);
    admin = await start();
  });

  /** As the transport writes them. */
  async function giveUp(fields: Record<string, string>, number = 2): Promise<string> {
    const notes = {
      'dead.key': 'k',
      'dead.reason': 'sessionId: is required',
      'dead.stream': inboxKeys.events(number),
      'dead.streamId': `${ARRIVED_MS}-1`,
      'dead.group': 'reaper',
      'dead.deliveries': '1',
    };
    const flat = Object.entries({ v: '1', type: 'session.ended', ...fields, ...notes }).flat();
    return (await client.xadd(inboxKeys.deadLetters('default'), '*', ...flat)) ?? '';
  }

  const replayed = async () => {
    const [[, flat] = ['', []]] = await client.xrange(inboxKeys.events(2), '-', '+');
    return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : [])));
  };
  const list = async (query = '') => (await admin.call('GET', `/dead-letters${query}`)).body;

  it('lists none where there are none', async () => {
    expect(await list()).toEqual({ deadLetters: [], nextCursor: null, total: 0 });
  });

  it('lists each with its reason, where it came from, and the event as it was', async () => {
    const id = await giveUp({ note: 'x' });
    expect(await list()).toMatchObject({
      deadLetters: [
        {
          id,
          reason: 'sessionId: is required',
          deliveries: 1,
          stream: inboxKeys.events(2),
          streamId: `${ARRIVED_MS}-1`,
          fields: { v: '1', type: 'session.ended', note: 'x' },
        },
      ],
      total: 1,
    });
  });

  it('goes on where a page ended', async () => {
    const ids = [];
    for (let index = 0; index < 5; index += 1) ids.push(await giveUp({ note: String(index) }));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await list(`?limit=2&cursor=${cursor}`);
      seen.push(...(page['deadLetters'] as { id: string }[]).map(({ id }) => id));
      cursor = page['nextCursor'] as string | null;
    }
    expect(seen).toEqual(ids);
    expect((await admin.call('GET', '/dead-letters?cursor=nonsense')).status).toBe(400);
    expect((await admin.call('GET', '/dead-letters?limit=1001')).status).toBe(400);
  });

  it('replays one into the stream that it came from, and it is gone from the list', async () => {
    const id = await giveUp({ sessionId: 'call-1' });
    expect((await admin.call('POST', `/dead-letters/${id}/replay`)).body).toMatchObject({ success: true });
    expect(await replayed()).toEqual({
      v: '1',
      type: 'session.ended',
      sessionId: 'call-1',
      arrivedAt: `${ARRIVED_MS}`,
    });
    expect(await list()).toMatchObject({ total: 0 });
    expect((await admin.call('POST', `/dead-letters/${id}/replay`)).status).toBe(404);
  });

  it.each([
    ['an older one from an earlier replay', ARRIVED_MS - 5, ARRIVED_MS - 5],
    ['none that is newer', ARRIVED_MS + 5, ARRIVED_MS],
    ['none that is no time', 'soon', ARRIVED_MS],
    ['none that is empty', '', ARRIVED_MS],
  ])('replays with the time of the first arrival: %s', async (_, arrivedAt, kept) => {
    const id = await giveUp({ sessionId: 'call-1', arrivedAt: String(arrivedAt) });
    expect((await admin.call('POST', `/dead-letters/${id}/replay`)).status).toBe(200);
    expect(await replayed()).toMatchObject({ arrivedAt: String(kept) });
  });

  it('one without any field of an event is refused with the reason, and can be discarded', async () => {
    const id =
      (await client.xadd(inboxKeys.deadLetters('default'), '*', 'dead.reason', 'malformed', 'dead.streamId', '1-1')) ??
      '';
    const { status, body } = await admin.call('POST', `/dead-letters/${id}/replay`);
    expect(status).toBe(400);
    expect(body['detail']).toMatch(/nothing to publish/);
    expect(await list()).toMatchObject({ total: 1 });
    expect((await admin.call('DELETE', `/dead-letters/${id}`)).status).toBe(200);
    expect(await list()).toMatchObject({ total: 0 });
  });

  it('discards one', async () => {
    const id = await giveUp({});
    expect((await admin.call('DELETE', `/dead-letters/${id}`)).status).toBe(200);
    expect((await admin.call('DELETE', `/dead-letters/${id}`)).status).toBe(404);
    expect((await admin.call('DELETE', '/dead-letters/nonsense')).status).toBe(404);
  });

  it('of another tenant is not shown; one of a tenant that nobody knows is for the default', async () => {
    await giveUp({ tenant: 'nobody' });
    expect((await list())['deadLetters']).toHaveLength(1);
  });

  const giveUpFrom = async (stream: string) => {
    const flat = ['v', '1', 'type', 'session.ended', 'dead.stream', stream, 'dead.streamId', '7-1', 'dead.reason', 'x'];
    return (await client.xadd(inboxKeys.deadLetters('default'), '*', ...flat)) ?? '';
  };

  it('of the outbox goes back there with its position, and never ends a session as if a server had published it', async () => {
    const stream = shardKeys(DEFAULT_TENANT, 0).events;
    const id = await giveUpFrom(stream);
    expect((await admin.call('POST', `/dead-letters/${id}/replay`)).status).toBe(200);
    const [entry] = await client.xrange(stream, '-', '+');
    expect(entry?.[1]).toEqual(['arrivedAs', '7-1', 'v', '1', 'type', 'session.ended']);
    expect(await client.exists(inboxKeys.events(0))).toBe(0);
  });

  it('of a stream that is neither is refused, and writes nowhere', async () => {
    for (const stream of ['berth:{default/7}:events', 'berth:{other/0}:events', 'somewhere', '']) {
      const id = await giveUpFrom(stream);
      const { status, body } = await admin.call('POST', `/dead-letters/${id}/replay`);
      expect([status, body['detail']]).toEqual([400, expect.stringMatching(/discard it/)]);
      expect(await client.exists(stream, inboxKeys.events(0))).toBe(0);
    }
  });

  it('of one tenant hides none of another: each has a list of its own, and 100,000 of one cost the other nothing', async () => {
    await admin.close();
    admin = await start({ config: { tenants: tenantsWith({ other: {} }) } });
    const flat = ['v', '1', 'type', 'session.ended', 'dead.stream', inboxKeys.events(0), 'dead.streamId', '7-1'];
    for (let from = 0; from < 100_000; from += 10_000) {
      const pipeline = client.pipeline();
      for (let i = 0; i < 10_000; i += 1) pipeline.xadd(inboxKeys.deadLetters('default'), '*', ...flat);
      await pipeline.exec();
    }
    const ids: string[] = [];
    for (const note of ['a', 'b', 'c']) {
      const letter = [...flat, 'tenant', 'other', 'note', note];
      ids.push((await client.xadd(inboxKeys.deadLetters('other'), '*', ...letter)) ?? '');
    }
    const asOther = { 'berth-tenant': 'other' };
    const mine = async (query: string) =>
      (await admin.call('GET', `/dead-letters${query}`, undefined, asOther)).body as {
        deadLetters: { id: string }[];
        nextCursor: string | null;
        total: number;
      };
    const before = await commands();
    const page = await mine('?limit=2');
    expect(page).toMatchObject({ deadLetters: [{ id: ids[0] }, { id: ids[1] }], total: 3 });
    expect(await mine(`?limit=2&cursor=${page.nextCursor}`)).toMatchObject({ deadLetters: [{ id: ids[2] }] });
    expect((await commands()) - before).toBeLessThanOrEqual(4);
    expect(await admin.call('DELETE', `/dead-letters/${ids[0]}`)).toMatchObject({ status: 404 });
    expect(await admin.call('DELETE', `/dead-letters/${ids[0]}`, undefined, asOther)).toMatchObject({ status: 200 });
    const everybody = await list('?limit=1000');
    expect(everybody).toMatchObject({ total: 100_000 });
    expect(everybody['deadLetters']).toHaveLength(1_000);
  });

  /** How often the lists were read. */
  const commands = async () => Number(/cmdstat_xrange:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
});
