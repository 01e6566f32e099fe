import { beforeEach, expect, it } from '@jest/globals';

import { inboxKeys } from '#session-core';
import { describeWith, onRedis, type OnRedis } from '#testing';

import { InboxLagService } from './inbox-lag.service.js';

const AGE_MS = 60_000;
const [FIRST, OTHER] = [inboxKeys.events(0), inboxKeys.events(3)];

describeWith(['redis-server'], 'how far the reapers are behind', () => {
  let client: OnRedis['client'];

  onRedis((on) => ({ client } = on));
  beforeEach(async () => {
    for (const stream of [FIRST, OTHER]) await client.xgroup('CREATE', stream, inboxKeys.group, '0', 'MKSTREAM');
  });

  const behindMs = () => new InboxLagService(client).behindMs();

  async function publishOld(stream: string): Promise<string> {
    const [seconds] = await client.time();
    return (await client.xadd(stream, `${Number(seconds) * 1_000 - AGE_MS}-0`, 'v', '1')) ?? '';
  }

  const read = (stream: string) => client.xreadgroup('GROUP', inboxKeys.group, 'c', 'STREAMS', stream, '>');

  it('is the age of the oldest event that nobody has read, in whatever stream', async () => {
    expect(await behindMs()).toBe(0);
    await publishOld(OTHER);
    await client.xadd(FIRST, '*', 'v', '1');
    expect(await behindMs()).toBeGreaterThanOrEqual(AGE_MS);
  });

  it('counts what was read and is not applied: in hand, of a reaper that died, to be tried again', async () => {
    const id = await publishOld(FIRST);
    await read(FIRST);
    expect(await behindMs()).toBeGreaterThanOrEqual(AGE_MS);
    await client.xack(FIRST, inboxKeys.group, id);
    expect(await behindMs()).toBe(0);
  });
});
