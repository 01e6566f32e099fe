import { expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { describeWith, eventually } from '#testing';

import { type Gateway, onNewGateways } from '../gateway.fixture.js';

interface Result {
  index: number;
  status: number;
  code?: string;
  detail?: unknown;
}

describeWith(['redis-server'], 'events and snapshots over HTTP', () => {
  let gateway: Gateway;
  let books: Redis;

  onNewGateways({ configYaml: 'limits: { max_sessions_per_user: 2 }' }, (suite) => {
    ({ books, gateway } = suite);
  });

  const publish = async (...events: unknown[]) => {
    const { status, body } = await gateway.post('/v1/events', { events });
    expect(status).toBe(200);
    return (body['results'] as Result[]).map((result) => [result.status, result.code]);
  };
  const started = (sessionId: string, more = {}) => ({
    v: 1,
    type: 'session.started',
    sessionId,
    user: 'alice',
    ...more,
  });
  const live = async () => (await books.zrange('berth:{default/0}:deadlines', '0', '-1')).toSorted();

  it('a session that has started is on the books, once, and over the limit if need be', async () => {
    expect(await publish(started('a'), started('b'))).toEqual([
      [201, undefined],
      [201, undefined],
    ]);
    expect(await publish(started('a'), started('c'))).toEqual([
      [200, undefined],
      [201, undefined],
    ]);
    expect(await live()).toEqual(['a', 'b', 'c']);
    expect((await gateway.admit()).status).toBe(429);
    const events = await books.xrange('berth:{default/0}:events', '-', '+');
    expect(events.at(-1)?.[1]).toEqual(expect.arrayContaining(['overshoot', 'adoption']));
  });

  it('one that has ended does not come back, in whatever order its events come', async () => {
    expect(await publish({ v: 1, type: 'session.ended', sessionId: 'a' }, started('b'))).toEqual([
      [404, 'session-unknown'],
      [201, undefined],
    ]);
    expect(await publish(started('a'))).toEqual([[409, 'session-ended']]);
    expect(await publish({ v: 1, type: 'session.ended', sessionId: 'b', reason: 'bye' })).toEqual([[204, undefined]]);
    expect(await publish({ v: 1, type: 'session.activity', sessionId: 'b', bytesSent: 5 })).toEqual([
      [410, 'session-ended'],
    ]);
    expect(await live()).toEqual([]);
  });

  it('events of one session in one batch come to the same as one by one', async () => {
    const ended = (attempt: number, bytesSent: number) => ({
      v: 1,
      type: 'session.ended',
      sessionId: 'a',
      attempt,
      bytesSent,
    });
    const events = [started('a', { attempt: 1 }), ended(1, 10), started('a', { attempt: 2 }), ended(2, 20)];
    const outbox = async () => {
      const entries = await books.xrange('berth:{default/0}:events', '-', '+');
      const fields = entries.map(([, flat]) => Object.fromEntries(flat.map((name, i) => [name, flat[i + 1]])));
      return fields.map(({ type, attempt, reason, bytesSent }) => [type, attempt, reason, bytesSent]);
    };
    const noise = Array.from({ length: 40 }, (_, i) => started(`noise-${i}`, { user: `user-${i}` }));
    for (let round = 0; round < 5; round += 1) {
      await books.del('berth:{default/0}:events', 'berth:{default/0}:session:a');
      const results = await publish(...noise.slice(0, 20), ...events, ...noise.slice(20));
      expect(results.slice(20, 24).map(([status]) => status)).toEqual([201, 204, 201, 204]);
      expect((await outbox()).filter(([type]) => type === 'session.ended')).toEqual([
        ['session.ended', '1', 'completed', '10'],
        ['session.ended', '2', 'completed', '20'],
      ]);
    }
  });

  it('what a node says of itself in a batch comes before what follows, and after what precedes', async () => {
    const node = 'b2bua-9';
    const beat = { v: 1, type: 'node.heartbeat', node, epoch: 100 };
    const results = await publish(beat, started('x', { node, epoch: 200 }), started('y', { node }));
    expect(results.map(([status]) => status)).toEqual([200, 201, 201]);
    expect((await gateway.get('/v1/sessions/y')).body).toMatchObject({ node, epoch: expect.any(Number) });
  });

  it('what an end says of totals counts, and what comes after it, by every call that says so', async () => {
    const totalsOf = async (sessionId: string) => (await gateway.get(`/v1/sessions/${sessionId}`)).body;
    for (const sessionId of ['a', 'b', 'c']) await publish(started(sessionId));
    await gateway.post('/v1/sessions/a/end', { reason: 'BYE', bytesSent: 500, packetsReceived: 3 });
    await gateway.delete('/v1/sessions/b', { bytesReceived: 40 });
    await publish({ v: 1, type: 'session.ended', sessionId: 'c', bytesSent: 7 });
    expect((await gateway.post('/v1/sessions/a/activity', { bytesReceived: 20 })).status).toBe(410);
    await publish({ v: 1, type: 'session.activity', sessionId: 'c', bytesSent: 9 });
    expect(await totalsOf('b')).toMatchObject({ bytesReceived: 40 });
    await gateway.post('/v1/sessions/b/end', { bytesReceived: 41 });
    expect(await totalsOf('a')).toMatchObject({ bytesSent: 500, bytesReceived: 20, packetsReceived: 3 });
    expect(await totalsOf('b')).toMatchObject({ bytesReceived: 41 });
    expect(await totalsOf('c')).toMatchObject({ bytesSent: 9 });
    const events = (await books.xrange('berth:{default/0}:events', '-', '+')).map(([, fields]) => fields);
    expect(events.filter((fields) => fields.includes('session.totals'))).toHaveLength(3);
    const refused = await gateway.post('/v1/sessions/a/end', { bytesSent: -1 });
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ path: 'bytesSent' }] } });
  });

  it('activity counts, as text from a stream or as JSON', async () => {
    await publish(started('a'));
    await publish(
      { v: '1', type: 'session.activity', sessionId: 'a', bytesSent: '70', channels: '[{"id":"1","type":"session"}]' },
      { v: 1, type: 'session.activity', sessionId: 'a', bytesReceived: 9 },
    );
    expect((await gateway.get('/v1/sessions/a')).body).toMatchObject({
      bytesSent: 70,
      bytesReceived: 9,
      channels: [{ id: '1', type: 'session' }],
    });
  });

  it('addresses have one form, however they are written, in the record, the events and the refusals', async () => {
    const spellings = [
      ['2001:db8::7', '[2001:db8::7]:443'],
      ['2001:DB8:0:0::7', '[2001:DB8:0:0::7]:443'],
      ['2001:0db8::0007', '[2001:0db8::0007]:0443'],
    ].map(([sourceIp, destination]) => ({ sourceIp, destination }));
    for (const [n, facts] of spellings.entries()) {
      await publish(started(`s${n}`, facts), { v: 1, type: 'session.rejected', user: 'bob', ...facts });
      const { body } = await gateway.get(`/v1/sessions/s${n}`);
      expect(body).toMatchObject({ sourceIp: '2001:db8::7', destination: '[2001:db8::7]:443' });
    }
    await publish(started('mapped', { sourceIp: '::ffff:192.0.2.7', destination: 'Example.COM.:443' }));
    const mapped = await gateway.get('/v1/sessions/mapped');
    expect(mapped.body).toMatchObject({ sourceIp: '192.0.2.7', destination: 'example.com:443' });
    const rejections = await books.xrange('berth:{default/0}:rejections', '-', '+');
    expect(rejections).toHaveLength(3);
    for (const [, fields] of rejections)
      expect(fields).toEqual(expect.arrayContaining(['2001:db8::7', '[2001:db8::7]:443']));
  });

  it.each([
    ['sourceIp', 'fe80::1%eth0', 'must be an IPv4 or IPv6 address without a zone, such as 192.0.2.7 or 2001:db8::7'],
    [
      'destination',
      '[2001:db8::7]:65536',
      expect.stringContaining('must be a host with or without a port from 0 to 65535'),
    ],
    ['destination', '[fe80::1%eth0]:443', expect.stringContaining('such as example.com:443')],
    ['destination', 'no host at all', expect.stringContaining('or [2001:db8::7]:443')],
  ])('an address that is none, %s %s, is refused with what is expected', async (path, value, message) => {
    const { status, body } = await gateway.admit({ [path]: value });
    expect({ status, errors: body['errors'] }).toEqual({ status: 400, errors: [{ path, message }] });
  });

  it('a refusal of a server stands beside those of the limits', async () => {
    const refusal = {
      v: 1,
      type: 'session.rejected',
      user: 'sip:Alice@example.com',
      rule: 'block-25',
      decision: 'deny',
    };
    expect(await publish(refusal)).toEqual([[204, undefined]]);
    const [entry] = await books.xrange('berth:{default/0}:rejections', '-', '+');
    expect(entry?.[1]).toEqual(expect.arrayContaining(['user', 'alice', 'rule', 'block-25', 'decision', 'deny']));
    expect(entry?.[1]).not.toContain('protocol');
  });

  it('a refusal of a server says where the session came from and wanted to go, as text from a stream or as JSON', async () => {
    const facts = { sourceIp: '2001:db8::1', sourcePort: 1080, destination: 'mail.example.com:25', protocol: 'socks' };
    const refusal = { v: 1, type: 'session.rejected', user: 'alice', rule: 'block-25', decision: 'deny' };
    expect(await publish({ ...refusal, ...facts }, { ...refusal, ...facts, v: '1', sourcePort: '1080' })).toEqual([
      [204, undefined],
      [204, undefined],
    ]);
    const entries = await books.xrange('berth:{default/0}:rejections', '-', '+');
    expect(entries).toHaveLength(2);
    const asFields = Object.entries({ ...facts, sourcePort: '1080' }).flat();
    for (const [, fields] of entries) expect(fields.slice(-asFields.length)).toEqual(asFields);
  });

  it.each([
    [{ type: 'session.started', user: 'alice', v: 1 }, 'sessionId'],
    [{ type: 'session.nonsense', v: 1 }, 'type'],
    [{ v: 1 }, 'type'],
    [{ type: 'session.started', sessionId: 'x', user: 'alice' }, 'v'],
    [{ type: 'session.ended', sessionId: 'x', v: 2 }, 'v'],
    [{ type: 'session.ended', sessionId: 'x', v: 1, at: Date.now() + 3_600_000 }, 'at'],
    [{ type: 'session.ended', sessionId: 'x'.repeat(257), v: 1 }, 'sessionId'],
    [{ type: 'session.started', sessionId: 'x', user: 'alice', v: 1, groups: '[broken' }, 'groups'],
    [{ type: 'session.ended', sessionId: 'x', v: 1, tenant: 'nobody' }, 'tenant'],
    [{ type: 'node.heartbeat', v: 1, node: 'n' }, 'epoch'],
    [{ type: 'session.rejected', v: 1, sourceIp: 'mail.example.com' }, 'sourceIp'],
    [{ type: 'session.rejected', v: 1, sourcePort: 65_536 }, 'sourcePort'],
    [{ type: 'session.rejected', v: 1, destination: 'x'.repeat(257) }, 'destination'],
    [{ type: 'session.rejected', v: 1, protocol: 'SOCKS 5' }, 'protocol'],
  ])('a bad one, %j, is refused by itself, with what is wrong: %s', async (event, path) => {
    const { body } = await gateway.post('/v1/events', { events: [event, started('good')] });
    const [bad, good] = body['results'] as Result[];
    expect(good).toMatchObject({ index: 1, status: 201 });
    expect([bad?.index, bad?.code]).toEqual([0, path === 'tenant' ? 'forbidden' : 'invalid-request']);
    if (path !== 'tenant') expect(String(bad?.detail)).toContain(path);
  });

  it('a batch that is too large, or is none, is refused as a whole', async () => {
    expect((await gateway.post('/v1/events', {})).status).toBe(400);
    expect((await gateway.post('/v1/events', { events: ['text'] })).status).toBe(400);
    expect((await gateway.post('/v1/events', { events: Array.from({ length: 1_001 }, () => ({})) })).status).toBe(400);
    const large = { events: [{ v: 1, type: 'session.ended', sessionId: 'x', reason: 'y'.repeat(1_100_000) }] };
    expect((await gateway.post('/v1/events', large)).status).toBe(413);
  });

  it('takes a thousand events in one call', async () => {
    const events = Array.from({ length: 1_000 }, (_, index) => started(`call-${index}`, { user: `user-${index}` }));
    // On a busy machine the store may be late for some; sending the batch again is always right.
    await eventually(async () => {
      expect((await publish(...events)).every(([status]) => status === 200 || status === 201)).toBe(true);
    });
    expect(await live()).toHaveLength(1_000);
  });

  const beat = async (epoch = 5) => (await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch })).body['mark'];
  const held = (id: string, user = 'alice') => ({ id, user, startedAt: '2026-01-01T00:00:00Z' });

  it('a snapshot brings a session onto the books that was unknown, and drops a ghost at the second list', async () => {
    await gateway.admit({ sessionId: 'ghost', node: 'b2bua-1', epoch: 5 });
    await books.time();
    const first = await gateway.post('/v1/nodes/b2bua-1/sessions', {
      epoch: 5,
      mark: String(Number(await beat()) + 1),
      part: 1,
      parts: 1,
      sessions: [{ ...held('unknown'), startedAt: new Date().toISOString() }],
    });
    expect([first.status, first.body]).toEqual([
      200,
      expect.objectContaining({ complete: true, adopted: 1, dropped: 0 }),
    ]);
    const second = await gateway.post('/v1/nodes/b2bua-1/sessions', {
      epoch: 5,
      mark: await beat(),
      part: 1,
      parts: 1,
      sessions: [{ ...held('unknown'), startedAt: new Date().toISOString() }],
    });
    expect(second.body).toMatchObject({ complete: true, adopted: 0, dropped: 1, hangUp: [] });
    expect(await live()).toEqual(['unknown']);
  });

  it('parts come in any order; the last one is answered with what came of all', async () => {
    const mark = await beat();
    const part = (number: number, ids: string[]) =>
      gateway.post('/v1/nodes/b2bua-1/sessions', {
        epoch: 5,
        mark,
        part: number,
        parts: 2,
        sessions: ids.map((id) => ({ ...held(id, id), startedAt: new Date().toISOString() })),
      });
    expect((await part(2, ['b'])).body).toMatchObject({ complete: false });
    expect((await part(2, ['b'])).body).toMatchObject({ complete: false });
    expect((await part(1, ['a'])).body).toMatchObject({ complete: true, adopted: 2 });
  });

  it.each([
    [{ sessions: [] }, 'none'],
    [{ none: true, sessions: [held('x')] }, 'none'],
    [{ part: 3, parts: 2, none: true }, 'part'],
    [{ sessions: [{ id: 'x', user: 'alice' }] }, 'sessions[0].startedAt'],
    [{ sessions: [{ ...held('x'), user: '<sip:@>' }] }, 'sessions[0].user'],
    [{ mark: 'tomorrow', none: true }, 'mark'],
    [{ mark: undefined, none: true }, 'mark'],
    [{ mark: String(Date.now() + 3_600_000), none: true }, 'mark'],
  ])('a snapshot with %j is refused with the path %s', async (wrong, path) => {
    const mark = await beat();
    const { status, body } = await gateway.post('/v1/nodes/b2bua-1/sessions', { epoch: 5, mark, ...wrong });
    expect([status, (body['errors'] as { path: string }[])[0]?.path]).toEqual([400, path]);
  });

  it('a snapshot of an older run, or of a node that does not beat, is refused', async () => {
    const silent = await gateway.post('/v1/nodes/silent/sessions', { epoch: 5, mark: String(Date.now()), none: true });
    expect([silent.status, silent.body['code'], silent.body['currentEpoch']]).toEqual([409, 'stale-epoch', null]);
    const mark = await beat(6);
    const older = await gateway.post('/v1/nodes/b2bua-1/sessions', { epoch: 5, mark, none: true });
    expect([older.status, older.body['code'], older.body['currentEpoch']]).toEqual([409, 'stale-epoch', 6]);
  });

  it('PUT does the same as POST', async () => {
    const mark = await beat();
    const reply = await gateway.app.inject({
      method: 'PUT',
      url: '/v1/nodes/b2bua-1/sessions',
      payload: { epoch: 5, mark, none: true },
    });
    expect([reply.statusCode, reply.json()]).toEqual([200, expect.objectContaining({ complete: true, dropped: 0 })]);
  });
});
