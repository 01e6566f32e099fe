import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { readWholeNumber } from './whole-number.js';

describe('a whole number in text', () => {
  it.each([
    '0x10',
    '0b1',
    '0o7',
    '1e3',
    '1E3',
    '+5',
    ' 5',
    '5 ',
    '5\n',
    '',
    '-',
    '--5',
    '5.0',
    '.5',
    '5.',
    '1_000',
    '1,000',
    '１２',
    '٣',
    '5n',
    'NaN',
    'Infinity',
    'null',
    'true',
    '[5]',
    '9007199254740992',
    '00000000000000005',
  ])('is not %j', (text) => {
    expect(readWholeNumber(text)).toBeNull();
  });

  it('is what its decimal digits say', () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (number) => expect(readWholeNumber(String(number))).toBe(number + 0)));
    expect(Object.is(readWholeNumber('-0'), 0)).toBe(true);
    expect(readWholeNumber('007')).toBe(7);
  });
});
