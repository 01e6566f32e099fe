import { describe, expect, it } from '@jest/globals';
import type { Command } from './command.js';
import { Repetition } from './repetition.js';

const commands = (...names: string[]): Command[] =>
  names.map((name) => ({ commandId: name, sessionId: name, attempt: 1, reason: 'killed', atMs: 0 }));

/** A pass over one page in which all that is due is sent: the names of those, and when the next is due. */
function pass(repetition: Repetition, page: Command[], nowMs: number): [string, number] {
  repetition.begin();
  const due = repetition.due(page, nowMs);
  repetition.sent(due, nowMs);
  return [due.map(({ commandId }) => commandId).join(), repetition.complete()];
}

describe('repetition', () => {
  it('sends what is new at once and the rest when its time has come', () => {
    const repetition = new Repetition(10);
    expect(pass(repetition, commands('a'), 100)).toEqual(['a', 110]);
    expect(pass(repetition, commands('a', 'b'), 105)).toEqual(['b', 110]);
    expect(pass(repetition, commands('a', 'b'), 109)).toEqual(['', 110]);
    expect(pass(repetition, commands('a', 'b'), 110)).toEqual(['a', 115]);
    expect(pass(repetition, commands('a', 'b'), 200)).toEqual(['a,b', 210]);
  });

  it('forgets what is acknowledged', () => {
    const repetition = new Repetition(10);
    pass(repetition, commands('a', 'b'), 100);
    expect(pass(repetition, commands('b'), 101)).toEqual(['', 110]);
    expect(pass(repetition, [], 102)).toEqual(['', Infinity]);
    expect(pass(repetition, commands('a'), 103)).toEqual(['a', 113]);
  });

  it('remembers what was sent in a pass that broke off', () => {
    const repetition = new Repetition(10);
    repetition.begin();
    repetition.sent(repetition.due(commands('a'), 100), 100);
    expect(pass(repetition, commands('a', 'b'), 101)).toEqual(['b', 110]);
  });
});
