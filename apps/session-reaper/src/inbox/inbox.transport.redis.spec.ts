import type { INestMicroservice } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { beforeEach, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { inboxKeys, shardKeys } from '#session-core';
import { describeWith, endedAfterEach, eventually, onRedis, type OnRedis } from '#testing';

import { TestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';
import { InboxTransport } from './inbox.transport.js';

const EVENTS = 2_000;
const STREAM = inboxKeys.events(0);

describeWith(['redis-server'], 'the inbox as a microservice', () => {
  let redis: OnRedis['redis'];
  let client: OnRedis['client'];
  const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());

  onRedis((on) => ({ redis, client } = on));
  beforeEach(() => new TestBooks(client).open());

  async function startReaper(): Promise<NestFastifyApplication> {
    const config = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
    const logger = createLogger(config, 'session-reaper', { write: () => {} });
    const app = await createApp(AppModule, { config, logger });
    apps.push(app);
    return app;
  }

  const live = async () => await client.zcard(shardKeys({ name: 'default', shards: 1 }, 0).deadlines);
  const consumers = async () => (await client.xinfo('CONSUMERS', STREAM, inboxKeys.group)) as unknown[];
  const facts = async () => {
    const [group = []] = (await client.xinfo('GROUPS', STREAM)) as unknown[][];
    const fact = (name: string) => Number(group[group.indexOf(name) + 1]);
    return { pending: fact('pending'), lag: fact('lag') };
  };

  it('belongs to the app, which has no other', async () => {
    const app = await startReaper();
    const servers = app
      .getMicroservices()
      .map((one) => (one as INestMicroservice & { getTransportServer(): unknown }).getTransportServer());
    expect(servers).toEqual([app.get(InboxTransport)]);
  });

  it('a stop in the middle settles what is in hand, leaves the rest unread and no name in the group', async () => {
    const first = await startReaper();
    await eventually(async () => expect(await consumers()).toHaveLength(1));
    const pipeline = client.pipeline();
    for (let index = 0; index < EVENTS; index += 1) {
      pipeline.xadd(
        STREAM,
        '*',
        'v',
        1,
        'type',
        'session.started',
        'sessionId',
        `call-${index}`,
        'user',
        `user-${index}`,
      );
    }
    await pipeline.exec();
    await eventually(async () => expect(await live()).toBeGreaterThan(0), { intervalMs: 1 });
    await first.close();
    apps.splice(0);
    const { pending, lag } = await facts();
    expect(pending).toBe(0);
    expect((await live()) + lag).toBe(EVENTS);
    expect(await consumers()).toEqual([]);
    await startReaper();
    await eventually(async () => expect(await live()).toBe(EVENTS));
    await eventually(async () => expect(await facts()).toEqual({ pending: 0, lag: 0 }));
  });
});
