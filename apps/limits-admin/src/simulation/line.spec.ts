import { describe, expect, it } from '@jest/globals';

import { ProblemException } from '#service-kit';

import { Line } from './line.js';

/** Work that ends when the test says so. */
function work() {
  const one = { began: false, end: () => {}, fail: null as ((error: Error) => void) | null };
  const done = new Promise<string>((resolve, reject) => {
    one.end = () => resolve('done');
    one.fail = reject;
  });
  const run = async () => {
    one.began = true;
    return await done;
  };
  return Object.assign(one, { run });
}

const breath = () => new Promise((resolve) => setImmediate(resolve));

function enter(line: Line, caller: string) {
  const task = work();
  const leaving = new AbortController();
  const result = line.run({ name: caller, shared: 'key' }, leaving.signal, task.run);
  result.catch(() => {});
  return { ...task, task, result, leave: () => leaving.abort() };
}

const refusalOf = async (result: Promise<unknown>) => {
  const error: unknown = await result.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ProblemException);
  return error as ProblemException;
};

async function expectDone(entered: ReturnType<typeof enter>): Promise<void> {
  entered.end();
  expect(await entered.result).toBe('done');
}

describe('the line of simulations', () => {
  it('runs one after the other, in the order in which they came', async () => {
    const line = new Line();
    const [first, second] = [enter(line, 'a'), enter(line, 'b')];
    await breath();
    expect([first.task.began, second.task.began]).toEqual([true, false]);
    await expectDone(first);
    await breath();
    expect(second.task.began).toBe(true);
    second.fail?.(new Error('broken'));
    await expect(second.result).rejects.toThrow('broken');
    const third = enter(line, 'a');
    await expectDone(third);
  });

  it('takes no more than eight, and no more than four of one caller', async () => {
    const line = new Line();
    const ofOne = Array.from({ length: 4 }, () => enter(line, 'a'));
    const refused = await refusalOf(enter(line, 'a').result);
    expect([refused.code, refused.status]).toEqual(['too-many-requests', 429]);
    expect(Number(refused.headers['Retry-After'])).toBeGreaterThanOrEqual(1);
    const ofOther = Array.from({ length: 4 }, () => enter(line, 'b'));
    await refusalOf(enter(line, 'c').result);
    for (const one of [...ofOne, ...ofOther]) await expectDone(one);
    const next = enter(line, 'a');
    await expectDone(next);
  });

  it('gives the place of one who has left while waiting to others at once, and does nothing for it', async () => {
    const line = new Line();
    const all = Array.from({ length: 4 }, () => enter(line, 'a'));
    all[1]!.leave();
    expect(await all[1]!.result).toBeNull();
    expect(all[1]!.task.began).toBe(false);
    const next = enter(line, 'a');
    for (const one of [all[0]!, all[2]!, all[3]!, next]) await expectDone(one);
  });

  it('keeps the place of one who has left until what is under way has stopped', async () => {
    const line = new Line();
    const [running, waiting] = [enter(line, 'a'), enter(line, 'b')];
    await breath();
    running.leave();
    await breath();
    expect(waiting.task.began).toBe(false);
    running.fail?.(new Error('aborted'));
    expect(await running.result).toBeNull();
    await breath();
    expect(waiting.task.began).toBe(true);
    await expectDone(waiting);
  });
});
