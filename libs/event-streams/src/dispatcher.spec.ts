import { describe, expect, it } from '@jest/globals';

import { Dispatcher, type FindHandler } from './dispatcher.js';
import type { EntryResult, StreamEntry } from './entry.js';
import { eventually } from '#testing';

const entry = (type: string, number: number, deliveries = 1): StreamEntry => ({
  stream: 's',
  streamId: `1-${number}`,
  atMs: 1,
  deliveries,
  fields: { v: '1', type },
});
const entries = (count: number, deliveries = 1) => Array.from({ length: count }, (_, i) => entry('t', i, deliveries));

describe('the dispatcher', () => {
  it('runs no more calls at once than it may, and all of them', async () => {
    let running = 0;
    let most = 0;
    let finish = () => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const find: FindHandler = () => async () => {
      running += 1;
      most = Math.max(most, running);
      await gate;
      running -= 1;
    };
    const results = new Dispatcher(find, 3).dispatch(entries(10));
    await eventually(() => running === 3);
    finish();
    expect([...(await results).values()]).toEqual(Array.from({ length: 10 }, () => 'done'));
    expect(most).toBe(3);
  });

  it('gives a batch handler all fresh entries of its types in one call, and others alone', async () => {
    const calls: string[][] = [];
    const dispatcher = new Dispatcher(() => null, 1);
    const handle = async (batch: readonly StreamEntry[]): Promise<EntryResult[]> => {
      calls.push(batch.map(({ streamId }) => streamId));
      return batch.map(() => 'done');
    };
    dispatcher.add({ types: ['t', 'u'], handle });
    await dispatcher.dispatch([entry('t', 1), entry('t', 2, 2), entry('u', 3), entry('u', 4, 5), entry('t', 5)]);
    expect(calls).toEqual([['1-1', '1-3', '1-5'], ['1-2'], ['1-4']]);
  });

  it('gives a handler of all types what nobody else handles', async () => {
    const seen: string[] = [];
    const handler = (name: string) => async (batch: readonly StreamEntry[]) => {
      seen.push(...batch.map(({ fields }) => `${name} ${fields['type']}`));
      return batch.map((): EntryResult => 'done');
    };
    const dispatcher = new Dispatcher((type) => (type === 'one' ? async () => seen.push('alone one') : null), 1);
    dispatcher.add({ types: ['t'], handle: handler('batch') });
    dispatcher.add({ types: 'all', handle: handler('rest') });
    await dispatcher.dispatch([entry('t', 1), entry('one', 2), entry('new', 3)]);
    expect(seen).toEqual(['batch t', 'alone one', 'rest new']);
  });

  it('always comes to a result, whatever a handler throws or returns', async () => {
    const thrown: unknown[] = [
      new Error('broken'),
      'text',
      null,
      { status: 'error', message: 'Internal server error' },
    ];
    const find: FindHandler = () => () => Promise.reject(thrown.pop());
    const results = await new Dispatcher(find, 1).dispatch(entries(4));
    expect([...results.values()]).toEqual(
      ['Internal server error', 'null', 'text', 'broken'].map((retry) => ({ retry })),
    );
    const dispatcher = new Dispatcher(() => null, 1);
    dispatcher.add({ types: ['t'], handle: () => Promise.resolve(undefined as unknown as EntryResult[]) });
    expect([...(await dispatcher.dispatch(entries(2))).values()]).toEqual([
      { retry: expect.any(String) },
      { retry: expect.any(String) },
    ]);
  });
});
