import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { newKey } from '#service-kit';
import { type RedisServer } from '#testing';

import { command, endByBerth, NODE, type WireCommand } from './commands.fixture.js';
import { startGateway, type Gateway, onOneGateway } from '../gateway.fixture.js';

const keys = { node: newKey(), other: newKey(), everyNode: newKey(), viewer: newKey(), acme: newKey() };
const WITH_KEYS = `
tenants: { acme: {} }
auth:
  keys:
    - { id: node, hash: '${keys.node.hash}', role: node, nodes: ['b2bua-*'] }
    - { id: other, hash: '${keys.other.hash}', role: node, nodes: ['proxy-*'] }
    - { id: every, hash: '${keys.everyNode.hash}', role: node }
    - { id: viewer, hash: '${keys.viewer.hash}', role: viewer }
    - { id: acme, hash: '${keys.acme.hash}', role: node, tenant: acme }
`;

let redis: RedisServer;
let books: Redis;
let gateway: Gateway;

onOneGateway({ configYaml: 'tenants: { spread: { shards: 8 } }' }, (suite) => {
  ({ books, gateway, redis } = suite);
});

beforeEach(async () => {
  await books.flushall();
  gateway.log.length = 0;
});

const NODE_PATH = `/v1/nodes/${NODE}`;
const poll = async (body?: unknown, path = NODE_PATH) => await gateway.post(`${path}/commands:poll`, body);
const waiting = async (path = NODE_PATH) => (await poll(undefined, path)).body['commands'] as WireCommand[];
const ack = async (commandId: string, body: unknown = { result: 'done' }, path = NODE_PATH) =>
  await gateway.post(`${path}/commands/${commandId}/ack`, body);

/** Admits, ends, and returns the command. */
async function given(sessionId: string, more: object = {}): Promise<WireCommand> {
  await command(gateway, books, sessionId, more);
  const found = (await waiting()).find((waits) => waits.sessionId === sessionId);
  if (found === undefined) throw new Error(`${sessionId} gave no command`);
  return found;
}

describe('polling for commands', () => {
  it('answers an empty list where there is nothing to do', async () => {
    expect(await poll()).toMatchObject({ status: 200, body: { commands: [], more: false } });
  });

  it('gives every session that Berth has ended, oldest first, until each is acknowledged', async () => {
    for (const id of ['first', 'second', 'third']) await command(gateway, books, id, { attempt: 7 });
    const { body } = await poll({});
    expect(body).toEqual({
      commands: ['first', 'second', 'third'].map((sessionId) => ({
        commandId: expect.stringMatching(/^[\w-]+$/),
        sessionId,
        attempt: 7,
        reason: 'killed',
      })),
      more: false,
    });
    expect(await waiting()).toHaveLength(3);
    for (const { commandId } of body['commands'] as WireCommand[]) expect((await ack(commandId)).status).toBe(204);
    expect(await waiting()).toEqual([]);
  });

  it('gives no more than asked for, and says that there are more', async () => {
    for (const id of ['first', 'second', 'third']) await command(gateway, books, id);
    expect(await poll({ max: 2 })).toMatchObject({
      body: { commands: [{ sessionId: 'first' }, { sessionId: 'second' }], more: true },
    });
    expect(await poll({ max: 3 })).toMatchObject({ body: { more: false } });
  });

  it('tells nothing of a session that its node has ended, nor of one that another node held', async () => {
    await gateway.admit({ sessionId: 'own', node: NODE });
    await gateway.post('/v1/sessions/own/end');
    await command(gateway, books, 'foreign', { node: 'b2bua-2' });
    expect(await waiting()).toEqual([]);
    expect(await waiting('/v1/nodes/b2bua-2')).toMatchObject([{ sessionId: 'foreign' }]);
  });

  it('drops the command when the node ends the session itself', async () => {
    const { commandId } = await given('call');
    expect((await gateway.post('/v1/sessions/call/end')).status).toBe(204);
    expect(await waiting()).toEqual([]);
    expect((await ack(commandId)).status).toBe(204);
  });

  it('finds the commands of every shard', async () => {
    const headers = { 'berth-tenant': 'spread' };
    for (const user of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']) {
      await gateway.post('/v1/sessions', { sessionId: `of-${user}`, user, node: NODE }, headers);
      await endByBerth(books, `of-${user}`, 'killed', { name: 'spread', shards: 8 });
    }
    const answer = await gateway.post(`${NODE_PATH}/commands:poll`, {}, headers);
    const commands = answer.body['commands'] as WireCommand[];
    expect(commands).toHaveLength(6);
    for (const { commandId } of commands) {
      expect((await gateway.post(`${NODE_PATH}/commands/${commandId}/ack`, { result: 'gone' }, headers)).status).toBe(
        204,
      );
    }
    expect((await gateway.post(`${NODE_PATH}/commands:poll`, {}, headers)).body['commands']).toEqual([]);
    expect(await waiting()).toEqual([]);
  });

  it.each([{ max: 0 }, { max: 1_001 }, { max: '5' }, { max: 1.5 }, []])('refuses %j', async (body) => {
    expect(await poll(body)).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
  });

  it('names what it does not know', async () => {
    expect((await poll({ maximum: 5 })).body['warnings']).toEqual(['maximum: unknown field, ignored']);
  });
});

describe('acknowledging', () => {
  it.each(['done', 'gone'])('with %s ends the command; 204, and 204 again', async (result) => {
    const { commandId } = await given('call');
    expect(await ack(commandId, { result })).toMatchObject({ status: 204, body: {} });
    expect((await ack(commandId, { result })).status).toBe(204);
    expect(await waiting()).toEqual([]);
    expect(await books.ttl('berth:{default/0}:session:call')).toBeLessThanOrEqual(60);
    expect((await gateway.get('/v1/sessions/call')).body).toMatchObject({ endReason: 'killed' });
  });

  it('with failed keeps it, and says why in the log', async () => {
    const { commandId } = await given('call');
    expect((await ack(commandId, { result: 'failed', cause: '481 from the far end' })).status).toBe(204);
    expect(await waiting()).toHaveLength(1);
    expect(gateway.log).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: 'Command failed at its node; it will be sent again',
        node: NODE,
        session_id: 'call',
        cause: '481 from the far end',
      }),
    );
    expect((await ack(commandId)).status).toBe(204);
    expect(await waiting()).toEqual([]);
  });

  it('from another node finds nothing and changes nothing', async () => {
    const { commandId } = await given('call');
    for (const result of ['done', 'gone', 'failed']) {
      expect(await ack(commandId, { result }, '/v1/nodes/b2bua-2')).toMatchObject({
        status: 404,
        body: { code: 'not-found' },
      });
    }
    expect(await waiting()).toHaveLength(1);
    expect(gateway.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('of attempt 1 leaves attempt 2 alone', async () => {
    const { commandId } = await given('call', { attempt: 1 });
    await gateway.admit({ sessionId: 'call', user: 'call', node: NODE, attempt: 2 });
    expect((await ack(commandId)).status).toBe(204);
    expect(await waiting()).toEqual([]);
    expect((await gateway.get('/v1/sessions/call')).body).toMatchObject({ state: 'active', attempt: 2 });
    await endByBerth(books, 'call');
    expect((await ack(commandId)).status).toBe(204);
    expect(await waiting()).toMatchObject([{ sessionId: 'call', attempt: 2 }]);
  });

  it.each([
    ['x', 'x'],
    ['the sign for the body', '-'],
    ['other characters', 'a.b'],
    ['a control character', '%00'],
    ['an emoji', '%F0%9F%98%80'],
    ['600 characters', 'A'.repeat(600)],
    ['padding', `${'A'.repeat(30)}%3D`],
  ])('refuses %s, which is no commandId', async (_, commandId) => {
    expect(await ack(commandId)).toMatchObject({ status: 400, body: { errors: [{ path: 'commandId' }] } });
  });

  it.each([
    ['no result', {}, 'result'],
    ['an unknown result', { result: 'maybe' }, 'result'],
    ['a number as cause', { result: 'failed', cause: 5 }, 'cause'],
    ['a cause of 1,025 bytes', { result: 'failed', cause: 'x'.repeat(1_025) }, 'cause'],
    ['a cause with a control character', { result: 'failed', cause: 'bell\u0007' }, 'cause'],
  ])('refuses %s', async (_, body, path) => {
    const { commandId } = await given('call');
    expect(await ack(commandId, body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
    expect(await waiting()).toHaveLength(1);
  });

  it.each(['a/b?c[d]e', 'quo"te\'s <x> %41 \\ {y}', 'ünï/cödé', '-', '__proto__', '.', '😀'.repeat(64)])(
    'handles the hostile session and node %j like any other',
    async (name) => {
      const node = `${name.slice(0, 60)}!`;
      const path = `/v1/nodes/${encodeURIComponent(node)}`;
      await command(gateway, books, name, { node, user: 'someone' });
      const [found] = await waiting(path);
      expect(found).toMatchObject({ sessionId: name });
      expect((await ack(found?.commandId ?? '', { result: 'done' }, path)).status).toBe(204);
      expect(await waiting(path)).toEqual([]);
    },
  );

  it.each([
    ['of 129 bytes', 'x'.repeat(129)],
    ['with a control character', '%00'],
    ['with a line separator', '%E2%80%A8'],
    ['that is no UTF-8', '%ff'],
  ])('refuses a node %s', async (_, node) => {
    for (const [path, body] of [
      [`/v1/nodes/${node}/commands:poll`, {}],
      [`/v1/nodes/${node}/commands/abc/ack`, { result: 'done' }],
    ] as const) {
      expect(await gateway.post(path, body)).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    }
    expect((await gateway.get(`/v1/nodes/${node}/commands`)).status).toBe(400);
  });
});

describe('a node that never acknowledges', () => {
  it('hinders nobody: admissions, endings and other nodes go on', async () => {
    for (let i = 0; i < 300; i++) await command(gateway, books, `deaf-${i}`, { node: 'deaf' });
    await command(gateway, books, 'call');
    expect(await waiting()).toMatchObject([{ sessionId: 'call' }]);
    expect((await gateway.admit({ sessionId: 'next', node: 'deaf' })).status).toBe(201);
    expect((await gateway.post('/v1/sessions/next/end')).status).toBe(204);
    expect(await waiting('/v1/nodes/deaf')).toHaveLength(300);
  });
});

describe('commands with keys', () => {
  const by = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });

  it('are for the node alone: its key, its tenant', async () => {
    gateway = await startGateway(redis, { configYaml: WITH_KEYS });
    const admission = { sessionId: 'call', user: 'alice', node: NODE };
    expect((await gateway.post('/v1/sessions', admission, by(keys.node))).status).toBe(201);
    await endByBerth(books, 'call');
    const path = `${NODE_PATH}/commands:poll`;
    expect((await gateway.post(path)).status).toBe(401);
    expect((await gateway.post(path, {}, by(keys.viewer))).status).toBe(403);
    expect((await gateway.post(path, {}, by(keys.other))).status).toBe(403);
    expect((await gateway.post(path, {}, by(keys.acme))).body['commands']).toEqual([]);
    expect((await gateway.post(path, {}, by(keys.everyNode))).body['commands']).toHaveLength(1);
    const [found] = (await gateway.post(path, {}, by(keys.node))).body['commands'] as WireCommand[];
    const ackPath = `${NODE_PATH}/commands/${found?.commandId}/ack`;
    expect((await gateway.post(ackPath, { result: 'done' })).status).toBe(401);
    expect((await gateway.post(ackPath, { result: 'done' }, by(keys.other))).status).toBe(403);
    expect((await gateway.post(ackPath, { result: 'done' }, by(keys.acme))).status).toBe(204);
    expect((await gateway.post(path, {}, by(keys.node))).body['commands']).toHaveLength(1);
    for (const key of [undefined, keys.viewer, keys.other]) {
      const answer = await gateway.get(`${NODE_PATH}/commands`, key && by(key));
      expect(answer.status).toBe(key === undefined ? 401 : 403);
    }
    expect((await gateway.post(ackPath, { result: 'done' }, by(keys.node))).status).toBe(204);
    expect((await gateway.post(path, {}, by(keys.node))).body['commands']).toEqual([]);
  });
});
