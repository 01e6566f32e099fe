import { expect, it } from '@jest/globals';

import { DeadLetterError, type EntryResult, type StreamEntry } from './index.js';
import { describeWith, eventually } from '#testing';

import { ids, type TestStreams, onTestStreams } from '../test/test-streams.js';

type Handle = (entries: readonly StreamEntry[]) => Promise<readonly EntryResult[]>;

describeWith(['redis-server'], 'a batch handler', () => {
  let lab: TestStreams;

  onTestStreams((started) => (lab = started));

  const serve = (handle: Handle, types = ['session.ended']) =>
    lab.serve({ prepare: (server) => server.addBatchHandler({ types, handle }) });
  const idOf = ({ fields }: StreamEntry) => fields['id'] ?? '';
  const settled = () => eventually(async () => (await lab.pending()) === 0, { what: 'nothing to be pending' });

  it('gets what was read at once in one call, in order, of all its types', async () => {
    const calls: string[][] = [];
    await lab.publish(ids(60, 'a'));
    await lab.publish(ids(30, 'b'), 'session.admitted');
    serve(
      async (entries) => {
        calls.push(entries.map(idOf));
        return entries.map(() => 'done');
      },
      ['session.ended', 'session.admitted'],
    );
    await eventually(() => calls.length > 0);
    await settled();
    expect(calls).toEqual([[...ids(60, 'a'), ...ids(30, 'b')]]);
  });

  it('decides for each entry: done, dead letter, or another try', async () => {
    const tries: string[] = [];
    await lab.publish(['good', 'bad', 'later']);
    serve(async (entries) =>
      entries.map((entry) => {
        tries.push(`${idOf(entry)} ${entry.deliveries}`);
        if (idOf(entry) === 'bad') return { deadLetter: 'no such session' };
        return idOf(entry) === 'later' && entry.deliveries < 3 ? { retry: 'not yet' } : 'done';
      }),
    );
    await eventually(() => tries.length === 5);
    await settled();
    expect(tries).toEqual(['good 1', 'bad 1', 'later 1', 'later 2', 'later 3']);
    expect((await lab.deadLetters()).map((letter) => [letter['id'], letter['dead.reason']])).toEqual([
      ['bad', 'no such session'],
    ]);
  });

  it('gets what it failed at one by one, so that one bad entry takes no others with it', async () => {
    const applied: string[] = [];
    await lab.publish([...ids(10), 'poison', ...ids(10, 'f')]);
    serve(async (entries) => {
      if (entries.some((entry) => idOf(entry) === 'poison')) throw new Error('constraint violated');
      applied.push(...entries.map(idOf));
      return entries.map(() => 'done');
    });
    await eventually(async () => (await lab.deadLetters()).length === 1);
    await settled();
    expect(applied.toSorted()).toEqual([...ids(10), ...ids(10, 'f')].toSorted());
    expect((await lab.deadLetters())[0]).toMatchObject({
      id: 'poison',
      'dead.reason': 'failed 3 times: constraint violated',
    });
  });

  it('that gives too few results is asked again for the rest; a dead-letter error means every entry of its call', async () => {
    const sizes: number[] = [];
    await lab.publish(['e0', 'e1']);
    serve(async (entries) => {
      sizes.push(entries.length);
      if (entries[0]?.deliveries !== 1) throw new DeadLetterError('enough');
      return ['done'];
    });
    await eventually(async () => (await lab.deadLetters()).length === 1);
    await settled();
    expect(sizes).toEqual([2, 1]);
    expect((await lab.deadLetters())[0]).toMatchObject({ id: 'e1', 'dead.reason': 'enough', 'dead.deliveries': '2' });
  });

  it('acknowledges nothing before its promise has resolved', async () => {
    let finish = () => {};
    await lab.publish(ids(5));
    serve(async (entries) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return entries.map(() => 'done');
    });
    await eventually(async () => (await lab.pending()) === 5);
    const [read] = (await lab.client.xinfo('GROUPS', lab.stream)) as unknown[][];
    expect(read?.[5]).toBe(5);
    finish();
    await settled();
  });
});
