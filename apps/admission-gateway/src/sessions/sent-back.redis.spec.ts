import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  option,
  record,
  string,
} from 'fast-check';

import { inForm } from '#testing';

import { type Gateway, onOneGateway } from '../gateway.fixture.js';

const NODE = 'b2bua-1';
const EPOCH = 1_763_700_000_000;

let books: Redis;
let gateway: Gateway;

onOneGateway({ configYaml: 'limits: { max_sessions_per_user: 0 }' }, (suite) => {
  ({ books, gateway } = suite);
});

const maybe = <T>(value: T) => constantFrom(undefined, null, value);

/** A session, each field present, null or absent. */
const admission = record({
  user: constantFrom('alice', '+14155551234', 'ünï cødé', 'sip:bob@example.com'),
  attempt: option(integer({ min: 0, max: 2 ** 31 - 1 }), { nil: undefined }),
  to: maybe('"Bob" <sip:bob@example.com>;tag=1'),
  node: maybe(NODE),
  epoch: maybe(EPOCH),
  userClass: maybe('gold'),
  sourceIp: constantFrom(undefined, null, '192.0.2.10', '2001:DB8:0::7', '::ffff:192.0.2.1'),
  sourcePort: constantFrom(undefined, null, 0, 65_535),
  destination: constantFrom(undefined, null, 'EXAMPLE.com.', '[2001:db8::7]:443', '192.0.2.7:0'),
  protocol: constantFrom(undefined, null, 'sip', 'ssh', 'web'),
  direction: constantFrom(undefined, null, 'inbound', 'outbound'),
  correlationId: maybe('c'),
  groups: option(array(constantFrom('trunk:west', 'carrier:ö'), { maxLength: 3 }), { nil: null }),
  state: constantFrom(undefined, null, 'reserved', 'active'),
  priority: constantFrom(undefined, null, 'normal', 'emergency'),
  ttlSeconds: maybe(600),
  metadata: option(
    dictionary(
      string({ maxLength: 5 }).filter((name) => name !== '__proto__'),
      jsonValue({ maxDepth: 2 }),
      { maxKeys: 3 },
    ),
    { nil: null },
  ),
});

const nobody = record({ user: constant(null), protocol: constantFrom('ssh', 'web'), node: maybe(NODE) });

/** A status that says that what came was well formed, whatever it came to. */
const isUnderstood = (status: number) => status < 300 || status === 409 || status === 410;

it('whatever an answer states of a session may be sent back, in any call that says something of one', async () => {
  await assert(
    asyncProperty(constantFrom('named', 'nobody'), admission, nobody, async (kind, named, unnamed) => {
      await books.flushall();
      await gateway.post(`/v1/nodes/${NODE}/heartbeat`, { epoch: EPOCH, activeSessions: null });
      const fields = kind === 'named' ? named : unnamed;
      const admitted = await gateway.post('/v1/sessions', { sessionId: 's', ...fields });
      expect(admitted).toMatchObject({ status: 201 });
      const { body: session } = await gateway.get('/v1/sessions/s');
      expect(session).toEqual(admitted.body['session']);

      const again = { ...session, sessionId: 's' };
      const repeated = await gateway.post('/v1/sessions', again);
      expect(repeated).toMatchObject({ status: 200, body: { session, terminated: [] } });
      expect(await gateway.post('/v1/sessions:check', again)).toMatchObject({ status: 200 });
      const elsewhere = await gateway.post('/v1/sessions', { ...session, sessionId: 'copy' });
      expect(elsewhere).toMatchObject({ status: 201 });
      const kept = [
        'user',
        'node',
        'epoch',
        'state',
        'to',
        'sourceIp',
        'destination',
        'groups',
        'priority',
        'metadata',
      ];
      const copy = elsewhere.body['session'] as Record<string, unknown>;
      expect(kept.map((name) => copy[name])).toEqual(kept.map((name) => session[name]));

      const activity = await gateway.post('/v1/sessions/s/activity', session);
      expect(activity).toMatchObject({ status: 200 });
      const events = ['session.started', 'session.activity'].map((type) => ({ v: 1, type, ...again, id: null }));
      const { results } = (await gateway.post('/v1/events', { events })).body as { results: { status: number }[] };
      for (const { status } of results) expect(isUnderstood(status)).toBe(true);

      const { body: beat } = await gateway.post(`/v1/nodes/${NODE}/heartbeat`, { epoch: EPOCH });
      const list = { ...beat, epoch: EPOCH, sessions: [session], none: null, part: null, parts: null };
      expect(await gateway.post(`/v1/nodes/${NODE}/sessions`, list)).toMatchObject({
        status: 200,
        body: { complete: true, adopted: 0, restored: 0, dropped: 0 },
      });
      expect(isUnderstood((await gateway.post('/v1/sessions/s/confirm', session)).status)).toBe(true);
      const moved = await gateway.post('/v1/sessions/s/transfer', {
        ...session,
        node: 'b2bua-2',
        newId: null,
        epoch: null,
      });
      expect(isUnderstood(moved.status)).toBe(true);
      expect((await gateway.post('/v1/sessions/s/end', { ...session, reason: null })).status).toBe(204);
    }),
    { numRuns: inForm({ short: 60, long: 400 }) },
  );
}, 120_000);

it('an acknowledgement and a poll take null for what they need not say', async () => {
  await books.flushall();
  expect(await gateway.post(`/v1/nodes/${NODE}/commands:poll`, { max: null })).toMatchObject({ status: 200 });
  const ack = { result: 'done', cause: null };
  expect((await gateway.post(`/v1/nodes/${NODE}/commands/none/ack`, ack)).body['errors']).toMatchObject([
    { path: 'commandId' },
  ]);
});

it('numbers in queries are decimal digits and nothing else', async () => {
  for (const attempt of ['0x1', '1e0', '+1', ' 1', '1.0', '']) {
    const { status, body } = await gateway.delete(`/v1/sessions/x?attempt=${encodeURIComponent(attempt)}`);
    expect([attempt, status, body['errors']]).toEqual([
      attempt,
      400,
      [{ path: 'attempt', message: expect.any(String) }],
    ]);
  }
  expect((await gateway.delete('/v1/sessions/x?attempt=1')).status).toBe(404);
});

it('a refused empty snapshot leaves nothing behind', async () => {
  await books.flushall();
  // The gateway registers its tenant anew when it notices, at any moment: that is not of the snapshot.
  const left = async () => (await books.keys('*')).filter((key) => !key.endsWith(':tenant')).toSorted();
  const { body: beat } = await gateway.post(`/v1/nodes/${NODE}/heartbeat`, { epoch: EPOCH });
  const before = await left();
  const empty = { epoch: EPOCH, mark: beat['mark'], sessions: [] };
  expect(await gateway.post(`/v1/nodes/${NODE}/sessions`, empty)).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'none' }] },
  });
  const event = { v: 1, type: 'node.snapshot', node: NODE, ...empty };
  expect((await gateway.post('/v1/events', { events: [event] })).body).toMatchObject({ results: [{ status: 400 }] });
  expect(await left()).toEqual(before);
});
