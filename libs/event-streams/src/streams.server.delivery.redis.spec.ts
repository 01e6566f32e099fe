import { expect, it } from '@jest/globals';

import { DeadLetterError, type StreamEntry } from './index.js';
import { describeWith, eventually } from '#testing';

import { DEAD, GROUP, ids, type TestStreams, onTestStreams } from '../test/test-streams.js';

describeWith(['redis-server'], 'a streams server', () => {
  let lab: TestStreams;

  onTestStreams((started) => (lab = started));

  /** A handler that notes what it got. */
  const noting = (seen: StreamEntry[]) => ({ 'session.ended': (entry: StreamEntry) => void seen.push(entry) });
  const idsOf = (entries: StreamEntry[]) => entries.map(({ fields }) => fields['id'] ?? '');
  const settledLetters = (count: number) => eventually(async () => (await lab.deadLetters()).length === count);
  const settled = () => eventually(async () => (await lab.pending()) === 0, { what: 'nothing to be pending' });

  it('hands over the parsed entry with its time and delivery count, and acknowledges it', async () => {
    const seen: StreamEntry[] = [];
    lab.serve({ handlers: noting(seen) });
    const [streamId = ''] = await lab.publish(['e0']);
    await eventually(() => seen.length === 1);
    const fields = { v: '1', id: 'e0', type: 'session.ended' };
    const atMs = Number(streamId.split('-')[0]);
    expect(seen).toEqual([{ stream: lab.stream, streamId, atMs, deliveries: 1, fields }]);
    await settled();
  });

  it('reads what was published before its group existed', async () => {
    const seen: StreamEntry[] = [];
    await lab.publish(ids(250));
    lab.serve({ handlers: noting(seen) });
    await eventually(() => expect(idsOf(seen).toSorted()).toEqual(ids(250).toSorted()));
  });

  it('takes its own pending entries first, then those of dead consumers, then new ones', async () => {
    const seen: StreamEntry[] = [];
    await lab.publish(['own'], 'session.ended');
    await lab.leavePending('me', 1);
    await lab.publish(['dead'], 'session.ended');
    await lab.leavePending('somebody-dead', 1);
    await lab.publish(['new'], 'session.ended');
    const idle = async () => {
      const rows = (await lab.client.xpending(lab.stream, GROUP, '-', '+', 10)) as [string, string, number][];
      return rows.every(([, , idleMs]) => idleMs > 310);
    };
    await eventually(idle);
    lab.serve({ consumer: 'me', handlers: noting(seen) });
    await eventually(() => expect(idsOf(seen)).toEqual(['own', 'dead', 'new']));
    expect(seen.map(({ deliveries }) => deliveries)).toEqual([2, 2, 1]);
    await settled();
  });

  it('claims the entries of a consumer that died, more than a batch of them, while it runs', async () => {
    const seen: StreamEntry[] = [];
    await lab.publish(ids(250));
    await lab.leavePending('somebody-dead', 250);
    const { facts } = lab.serve({ handlers: noting(seen) });
    await settled();
    expect(idsOf(seen).toSorted()).toEqual(ids(250).toSorted());
    expect(facts.of('claimed').reduce((sum, { count }) => sum + Number(count), 0)).toBe(250);
  });

  it('leaves alone what a live consumer takes long to handle', async () => {
    let finish = () => {};
    const held: StreamEntry[] = [];
    const slow = (entry: StreamEntry) => {
      held.push(entry);
      return new Promise<void>((resolve) => (finish = resolve));
    };
    lab.serve({ claimIdleMs: 1_500, handlers: { 'session.ended': slow } });
    await lab.publish(['e0']);
    await eventually(() => held.length === 1);
    const seen: StreamEntry[] = [];
    const other = lab.serve({ handlers: noting(seen), claimIdleMs: 1_500 });
    const ticks = async () => Number(await lab.client.hget(`{${lab.stream}}:groups`, GROUP));
    const start = await ticks();
    await eventually(async () => (await ticks()) > start + 3_000, {
      what: 'three seconds to pass by the clock of Redis',
    });
    finish();
    await settled();
    expect(seen).toEqual([]);
    expect(other.facts.of('claimed')).toEqual([]);
  });

  it('dead-letters a poison message after exactly maxDeliveries, while the others go on', async () => {
    const poisoned: number[] = [];
    const seen: StreamEntry[] = [];
    const { facts } = lab.serve({
      handlers: {
        poison: ({ deliveries }) => {
          poisoned.push(deliveries);
          throw new Error('it breaks me');
        },
        ...noting(seen),
      },
    });
    const [streamId] = await lab.publish(['bad'], 'poison');
    await lab.publish(ids(20));
    await eventually(async () => (await lab.deadLetters()).length === 1);
    await settled();
    expect(poisoned).toEqual([1, 2, 3]);
    expect(idsOf(seen)).toEqual(ids(20));
    expect(await lab.deadLetters()).toEqual([
      {
        v: '1',
        id: 'bad',
        type: 'poison',
        'dead.key': `${GROUP}|${lab.stream}|${streamId}`,
        'dead.reason': 'failed 3 times: it breaks me',
        'dead.stream': lab.stream,
        'dead.streamId': streamId,
        'dead.group': GROUP,
        'dead.deliveries': '3',
      },
    ]);
    expect(facts.of('retrying')).toHaveLength(2);
    await eventually(() =>
      expect(facts.of('deadLettered')).toEqual([
        { stream: lab.stream, streamId, type: 'poison', deliveries: 3, reason: 'failed 3 times: it breaks me' },
      ]),
    );
  });

  it('counts the deliveries of dead processes too: what took them along is dead-lettered without another try', async () => {
    const [streamId = ''] = await lab.publish(['bad']);
    await lab.leavePending('killed-1', 1);
    for (const name of ['killed-2', 'killed-3']) await lab.client.xclaim(lab.stream, GROUP, name, 0, streamId);
    const seen: StreamEntry[] = [];
    lab.serve({ handlers: noting(seen) });
    await eventually(async () => (await lab.deadLetters()).length === 1);
    expect(seen).toEqual([]);
    expect((await lab.deadLetters())[0]?.['dead.reason']).toBe('delivered 3 times, and never came to a result');
    await settled();
  });

  it('dead-letters at once what its handler cannot ever apply, what no handler is for, and what is no event', async () => {
    const tries: string[] = [];
    lab.serve({
      handlers: {
        'session.ended': ({ streamId }) => {
          tries.push(streamId);
          throw new DeadLetterError('x'.repeat(1_000));
        },
      },
    });
    await lab.publish(['malformed']);
    await lab.publish(['unknown'], 'session.sung');
    await lab.client.xadd(lab.stream, '*', 'v', '1', '__proto__', 'x');
    await lab.client.xadd(lab.stream, '*', 'v', '2', 'type', 'session.ended');
    await lab.client.xadd(lab.stream, '*', 'anything', 'else');
    await eventually(async () => (await lab.deadLetters()).length === 5);
    await settled();
    expect(tries).toHaveLength(1);
    expect((await lab.deadLetters()).map((letter) => letter['dead.reason'] ?? '').toSorted()).toEqual(
      [
        'x'.repeat(256),
        'no-handler',
        'malformed: no type',
        'malformed: v is 2, expected 1',
        'malformed: v is missing, expected 1',
      ].toSorted(),
    );
  });

  it('writes a dead letter once, however many consumers give it up, and loses none to a wrong key', async () => {
    await lab.client.set(DEAD, 'not a stream');
    const fail = () => {
      throw new DeadLetterError('never');
    };
    const [one] = [1, 2, 3].map(() => lab.serve({ claimIdleMs: 30, handlers: { 'session.ended': fail } }));
    await lab.publish(ids(10));
    await eventually(() => (one?.facts.of('readFailed').length ?? 0) > 0);
    expect(await lab.pending()).toBeGreaterThan(0);
    await lab.client.del(DEAD);
    await settled();
    expect((await lab.deadLetters()).map((letter) => letter['id'] ?? '').toSorted()).toEqual(ids(10));
  });

  it('reads no more while a whole batch waits for a retry, and all is done once the failure is over', async () => {
    let broken = true;
    const seen = new Set<string>();
    const { facts } = lab.serve({
      batch: 10,
      maxDeliveries: 1_000,
      handlers: {
        'session.ended': ({ fields }) => {
          if (broken) throw new Error('the database is away');
          seen.add(fields['id'] ?? '');
        },
      },
    });
    await lab.publish(ids(100));
    await eventually(() => facts.of('retrying').length > 50);
    expect(await lab.pending()).toBeLessThan(20);
    broken = false;
    await eventually(() => seen.size === 100);
    await settled();
    expect(await lab.deadLetters()).toEqual([]);
  });

  it('takes entries that mean harm: thousands of fields, a type that is JSON, empty names', async () => {
    const fields = Array.from({ length: 10_000 }, (_, i) => [`f${i}`, 'x']).flat();
    await lab.client.xadd(lab.stream, '*', 'v', '1', 'type', 'many.fields', ...fields);
    await lab.client.xadd(lab.stream, '*', 'v', '1', 'type', '['.repeat(100_000));
    await lab.client.xadd(lab.stream, '*', '', '');
    const seen: StreamEntry[] = [];
    lab.serve({ handlers: noting(seen) });
    await lab.publish(['good']);
    await eventually(() => seen.length === 1);
    await settled();
    const letters = await lab.deadLetters();
    expect(letters.map((letter) => letter['dead.reason']?.slice(0, 9))).toEqual(
      expect.arrayContaining(['no-handle', 'no-handle', 'malformed']),
    );
  });

  it('keeps the dead letter of an entry that was trimmed away while it was in hand', async () => {
    let give = () => {};
    lab.serve({
      handlers: {
        'session.ended': async () => {
          await new Promise<void>((resolve) => (give = resolve));
          throw new DeadLetterError('malformed');
        },
      },
    });
    await lab.publish(['gone']);
    await eventually(async () => (await lab.pending()) === 1);
    await lab.client.xtrim(lab.stream, 'MAXLEN', 0);
    // The server's own word that it still has it makes Redis forget an entry that is not there.
    await eventually(async () => (await lab.pending()) === 0);
    give();
    await eventually(async () => expect((await lab.deadLetters()).map((letter) => letter['id'])).toEqual(['gone']));
  });

  it('tells its observer how far behind its group is', async () => {
    const lags: unknown[] = [];
    let finish = () => {};
    lab.serve({
      batch: 2,
      observer: { lag: ({ lag }) => lags.push(lag) },
      handlers: { 'session.ended': () => new Promise<void>((resolve) => (finish = resolve)) },
    });
    await eventually(() =>
      expect(lags).toContainEqual(expect.objectContaining({ entries: 0, oldestUnreadAgeMs: null })),
    );
    await lab.publish(ids(1));
    await eventually(() => {
      finish();
      return lags.length > 3;
    });
  });

  it('goes on when its observer throws', async () => {
    const fail = () => {
      throw new Error('the observer is broken');
    };
    lab.serve({ observer: { deadLettered: fail, readFailed: fail, retrying: fail } });
    await lab.publish(ids(3), 'no.such.type');
    await settledLetters(3);
    await lab.publish(ids(1), 'no.such.type');
    await settledLetters(4);
    await settled();
  });

  it('understands both protocols of Redis', async () => {
    for (const protocol of [2, 3] as const) {
      const seen: StreamEntry[] = [];
      const { server, facts } = lab.serve({
        group: `resp${protocol}`,
        connect: () => lab.redis.client({ protocol }),
        handlers: noting(seen),
      });
      const [first = ''] = await lab.publish(ids(3));
      await eventually(() => seen.length === 3);
      await server.close();
      await lab.client.del(lab.stream);
      expect(first).toMatch(/^\d+-\d+$/);
      expect(facts.of('readFailed')).toEqual([]);
    }
  });
});
