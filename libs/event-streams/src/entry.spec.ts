import { describe, expect, it } from '@jest/globals';

import { readReply, toEntry } from './entry.js';
import { InvalidOptionsError } from './errors.js';
import { groupsKey, slotTag } from './keys.js';

describe('a reply', () => {
  const entries = [['1-1', ['a', 'b']]];

  it('reads the same in RESP2 and in RESP3, and empty when nothing came', () => {
    expect(readReply([['s', entries]])).toEqual([['s', entries]]);
    expect(readReply(['s', entries, 't', []])).toEqual([
      ['s', entries],
      ['t', []],
    ]);
    expect(readReply(null)).toEqual([]);
  });

  it('becomes an entry: the last of equal names counts, and no name reaches a prototype', () => {
    const { fields, atMs } = toEntry('s', '1763700000000-7', ['a', '1', '__proto__', 'x', 'a', '2'], 1);
    expect(atMs).toBe(1_763_700_000_000);
    expect(Object.entries(fields)).toEqual([
      ['a', '2'],
      ['__proto__', 'x'],
    ]);
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
  });
});

describe('the key beside a stream', () => {
  it('is in the slot of the stream', () => {
    for (const stream of ['plain', 'berth:{inbox/1}:events', 'a{b}c{d}', 'a{}b{c}']) {
      try {
        expect(slotTag(groupsKey(stream))).toBe(slotTag(stream));
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidOptionsError);
      }
    }
    expect(groupsKey('plain')).toBe('{plain}:groups');
    expect(groupsKey('berth:{inbox/1}:events')).toBe('berth:{inbox/1}:events:groups');
    expect(() => groupsKey('a}b')).toThrow(InvalidOptionsError);
  });
});
