import { createHmac } from 'node:crypto';
import { pipeline } from 'node:stream';
import { setTimeout as elapsed } from 'node:timers/promises';

import { beforeEach, describe, expect, it } from '@jest/globals';

import type { WebhookConfig } from '#config';
import { endedAfterEach, eventually, onRedis, type RedisServer } from '#testing';

import { Commander, Hook, json, obedient, SECRET, startReaper, TENANT, type Reaper } from './webhooks.fixture.js';

let redis: RedisServer;
let books: Commander;
let hook: Hook;
const reapers = endedAfterEach<Reaper>(({ app }) => app.close());
const hooks = endedAfterEach<Hook>((started) => started.stop());

onRedis((on) => ({ redis } = on));
beforeEach(async () => {
  books = new Commander(redis.client());
  await books.open();
  hook = await anotherHook();
});

async function anotherHook(): Promise<Hook> {
  const started = await Hook.start();
  hooks.push(started);
  return started;
}

async function reap(
  webhooks: (Partial<WebhookConfig> & { url: string })[] = [{ url: hook.url }],
  options = {},
): Promise<Reaper> {
  const reaper = await startReaper(redis.url, webhooks, options);
  reapers.push(reaper);
  return reaper;
}

const allDone = async (node?: string) => {
  await eventually(async () => expect(await books.waiting(node)).toEqual([]));
};
const messages = ({ log }: Reaper) => log.map(({ message }) => message);

describe('a webhook', () => {
  it('is sent the commands of its nodes, signed, and ends those that it acknowledges', async () => {
    await books.give('before');
    await reap();
    await allDone();
    await books.give('after');
    await allDone();
    expect(hook.asked).toEqual(['before', 'after']);
    const [call] = hook.calls;
    expect(JSON.parse(call?.text ?? '')).toEqual({
      tenant: 'default',
      node: 'b2bua-1',
      commands: [{ commandId: expect.any(String), sessionId: 'before', attempt: 1, reason: 'killed' }],
    });
    expect(call).toMatchObject({
      path: '/hooks/berth?key=in-the-query',
      headers: { 'content-type': 'application/json' },
    });
    const [, time, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(call?.headers['berth-signature'])) ?? [];
    expect(digest).toBe(createHmac('sha256', SECRET).update(`${time}.${call?.text}`).digest('hex'));
    expect(Math.abs(Date.now() / 1_000 - Number(time))).toBeLessThan(60);
    expect(await redis.client().ttl('berth:{default/0}:session:after')).toBeLessThanOrEqual(60);
  });

  it('acknowledges nothing where its answer does not say so; the command comes again', async () => {
    const answers: Record<string, Hook['answer']> = {
      silent: (_, out) => void out.end(),
      friendly: json({ ok: true }),
      page: (_, out) => void out.end('<html>'),
      unsure: json({ results: [{ commandId: 'x', result: 'perhaps' }] }),
    };
    hook.answer = (call, out) =>
      (hook.asked.filter((id) => id === call.node).length === 1 ? answers[call.node] : obedient)?.(call, out);
    await reap();
    for (const node of Object.keys(answers)) await books.give(node, node);
    for (const node of Object.keys(answers)) await allDone(node);
    expect(hook.asked.toSorted()).toEqual(
      Object.keys(answers)
        .flatMap((node) => [node, node])
        .toSorted(),
    );
  });

  it('that fails at hanging up keeps the command, and the log has the cause', async () => {
    hook.answer = ({ commands }, out) =>
      json({ results: commands.map(({ commandId }) => ({ commandId, result: 'failed', cause: 'no such leg' })) })(
        {} as never,
        out,
      );
    const reaper = await reap();
    await books.give('call');
    await eventually(() => {
      expect(reaper.log).toContainEqual(
        expect.objectContaining({ level: 'warn', session_id: 'call', cause: 'no such leg' }),
      );
    });
    expect(await books.waiting()).toHaveLength(1);
  });

  it('cannot acknowledge what it was not sent', async () => {
    await books.give('foreign', 'proxy-1');
    const [foreign] = await books.waiting('proxy-1');
    hook.answer = ({ commands }, out) =>
      json({
        results: [...commands, { commandId: foreign?.commandId }, { commandId: 'nonsense' }].map(({ commandId }) => ({
          commandId,
          result: 'done',
        })),
      })({} as never, out);
    await reap([{ url: hook.url, nodes: 'b2bua-*' }]);
    await books.give('own');
    await allDone();
    expect(await books.waiting('proxy-1')).toHaveLength(1);
  });

  it('is the first that fits the node; a node that none fits is not sent anywhere', async () => {
    const other = await anotherHook();
    await reap([
      { nodes: 'b2bua-1', url: hook.url },
      { nodes: 'b2bua-*', url: other.url },
    ]);
    await books.give('first', 'b2bua-1');
    await books.give('second', 'b2bua-2');
    await books.give('third', 'proxy-1');
    await allDone('b2bua-1');
    await allDone('b2bua-2');
    expect([hook.asked, other.asked]).toEqual([['first'], ['second']]);
    expect(await books.waiting('proxy-1')).toHaveLength(1);
  });

  it('is sent thousands, in pieces, each once', async () => {
    for (let i = 0; i < 1_000; i++) await books.give(`call-${i}`);
    await reap();
    await allDone();
    expect(new Set(hook.asked).size).toBe(1_000);
    expect(hook.asked).toHaveLength(1_000);
    expect(Math.max(...hook.calls.map(({ commands }) => commands.length))).toBeLessThan(600);
  });
});

describe('a webhook that does not work', () => {
  it('is tried again; the log says so once, and once when it works again', async () => {
    hook.answer = (_, out) => void out.writeHead(500).end();
    const reaper = await reap();
    await books.give('call');
    await eventually(() => hook.calls.length === 3);
    hook.answer = obedient;
    await allDone();
    const logged = messages(reaper).filter((message) => String(message).startsWith('Webhook'));
    expect(logged).toEqual(['Webhook failed; it will be tried again', 'Webhook works again']);
    expect(reaper.log).toContainEqual(expect.objectContaining({ node: 'b2bua-1', reason: 'status 500' }));
    expect(await reaper.metric('berth_webhook_requests_total{outcome="failed"}')).toBe(3);
    expect(await reaper.metric('berth_webhook_requests_total{outcome="accepted"}')).toBe(1);
  });

  it.each([301, 302, 307, 308])('cannot send Berth elsewhere (%i)', async (status) => {
    const elsewhere = await anotherHook();
    hook.answer = (_, out) => void out.writeHead(status, { location: elsewhere.url }).end();
    const reaper = await reap();
    await books.give('call');
    await eventually(() => hook.calls.length >= 2);
    expect(reaper.log).toContainEqual(expect.objectContaining({ reason: `status ${status}` }));
    expect(elsewhere.calls).toEqual([]);
  });

  it('hinders no other node while it hangs, and is given up after 5 s', async () => {
    const slow = await anotherHook();
    slow.answer = () => {};
    const reaper = await reap([
      { nodes: 'slow', url: slow.url },
      { nodes: '*', url: hook.url },
    ]);
    await books.give('stuck', 'slow');
    await eventually(() => slow.calls.length === 1);
    await books.give('call');
    await allDone();
    expect(slow.calls).toHaveLength(1);
    await eventually(
      () => {
        expect(reaper.log).toContainEqual(
          expect.objectContaining({ node: 'slow', reason: 'no answer within 5000 ms' }),
        );
      },
      { timeoutMs: 15_000 },
    );
  });

  it('cannot fill the memory with its answer', async () => {
    let written = 0;
    const endless = function* () {
      for (; ; written += 65_536) yield Buffer.alloc(65_536, 0x20);
    };
    hook.answer = (_, out) => pipeline(endless, out, () => {});
    const reaper = await reap();
    await books.give('call');
    await eventually(() => {
      expect(reaper.log).toContainEqual(
        expect.objectContaining({ reason: expect.stringMatching(/^the answer has more than/) }),
      );
    });
    expect(written).toBeLessThan(100_000_000);
    expect(await books.waiting()).toHaveLength(1);
  });

  it('is broken off when the reaper stops; nothing is left behind, and the next one brings the command', async () => {
    let open = 0;
    hook.answer = (_, out) => {
      open += 1;
      out.once('close', () => (open -= 1));
    };
    const reaper = await reap();
    await books.give('call');
    await eventually(() => open === 1);
    await reaper.app.close();
    await eventually(() => open === 0);
    expect(await redis.client().keys('berth:*commands_lease*')).toEqual([]);
    hook.answer = obedient;
    await reap();
    await allDone();
  });
});

describe('a webhook at a private address', () => {
  it.each([
    ['an address', (port: number) => `http://127.0.0.1:${port}/`],
    ['a number', (port: number) => `http://2130706433:${port}/`],
    ['a name', (port: number) => `http://localhost:${port}/`],
  ])('written as %s is never called unless allow_private says so', async (_, url) => {
    const reaper = await reap([{ url: url(hook.port) }], { allowPrivate: false });
    await books.give('call');
    await eventually(() => {
      expect(reaper.log).toContainEqual(
        expect.objectContaining({ level: 'warn', reason: expect.stringMatching(/has no public address/) }),
      );
    });
    expect(hook.calls).toEqual([]);
    expect(await books.waiting()).toHaveLength(1);
  });
});

describe('webhooks and several reapers', () => {
  it('are called by one of them; when that one stops another goes on', async () => {
    const three = [await reap(), await reap(), await reap()];
    for (let i = 0; i < 20; i++) await books.give(`call-${i}`);
    await allDone();
    expect(hook.asked).toHaveLength(20);

    hook.answer = json({});
    await books.give('late');
    await eventually(() => hook.asked.includes('late'));
    const [survivor, ...others] = three.toReversed();
    for (const reaper of others) await reaper.app.close();
    hook.answer = obedient;
    await allDone();
    expect(await survivor?.metric('berth_webhook_requests_total{outcome="accepted"}')).toBeGreaterThan(0);
  });

  it('are called by nobody else while the one that has a node backs off', async () => {
    hook.answer = (_, out) => void out.writeHead(503).end();
    await books.give('call');
    await reap();
    await eventually(() => hook.calls.length >= 2);
    const second = await reap();
    await elapsed(2_500); // it looks four times a second
    expect(await second.metric('berth_webhook_requests_total{outcome="failed"}')).toBe(0);
    expect(await redis.client().keys('berth:{default}:commands_lease:*')).toHaveLength(1);
  });

  it('leave no lease behind once there is nothing to do', async () => {
    await reap();
    await books.give('call');
    await allDone();
    await eventually(async () => (await redis.client().keys('berth:*commands_lease*')).length === 0);
  });
});

describe('webhooks and Redis', () => {
  it('go on after it was away and has forgotten everything', async () => {
    await reap();
    await books.give('before');
    await allDone();
    await redis.kill();
    await redis.restart();
    await eventually(async () => await books.give('after').then(() => true));
    await allDone();
    expect(hook.asked).toContain('after');
  });
});

describe('the log', () => {
  it('shows neither secrets nor the URL of a webhook beyond its host', async () => {
    hook.answer = (_, out) => void out.writeHead(500).end(SECRET);
    const reaper = await reap();
    await books.give('call');
    await eventually(() => messages(reaper).includes('Webhook failed; it will be tried again'));
    const all = JSON.stringify(reaper.log);
    for (const hidden of [SECRET, 'in-the-query', '/hooks/berth']) expect(all).not.toContain(hidden);
    expect(all).toContain(`127.0.0.1:${hook.port}`);
  });
});

describe('a command that nobody acknowledges', () => {
  it('is given up after a day, counted, and logged once for its node', async () => {
    await books.give('fresh');
    const old = { attempt: 1, startedAt: 5, epoch: '0', reason: 'killed', at: Date.now() - 86_400_001 };
    const client = redis.client();
    const key = 'berth:{default/0}:commands:b2bua-1';
    for (const sessionId of ['old-1', 'old-2'])
      await client.hset(key, sessionId, JSON.stringify({ ...old, sessionId }));
    const reaper = await reap([]);
    await eventually(async () => expect(await reaper.metric('berth_commands_given_up_total')).toBe(2));
    const logged = reaper.log.filter(({ message }) => String(message).startsWith('Commands given up'));
    expect(logged).toEqual([
      expect.objectContaining({ level: 'warn', tenant: TENANT.name, node: 'b2bua-1', count: 2 }),
    ]);
    expect((await books.waiting()).map(({ sessionId }) => sessionId)).toEqual(['fresh']);
  });
});
