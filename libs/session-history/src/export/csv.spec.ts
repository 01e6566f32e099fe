import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { readCsv } from '#testing';

import { csvLine } from './csv.js';

describe('CSV', () => {
  it.each([
    '=cmd|/C calc!A0',
    '+1+1',
    '-2+3',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    "'=1",
    '  =1',
    '＝1',
    '|x',
    '%x',
    "'",
  ])('puts an apostrophe before %j, and takes it away on reading', (value) => {
    const line = csvLine([value]);
    expect(line.replace(/^"/, '').startsWith("'")).toBe(true);
    expect(readCsv(line)).toEqual([[value]]);
  });

  it('is read back unchanged, whatever the text', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', "'", '=', ' ', ';', 'a', '\t') }),
      fc.constant(null),
    );
    fc.assert(
      fc.property(fc.array(fc.array(value, { minLength: 1, maxLength: 5 }), { maxLength: 6 }), (lines) => {
        expect(readCsv(lines.map(csvLine).join(''))).toEqual(lines);
      }),
    );
  });

  it('never leaves text that begins like a formula', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('=', '+', '-', '@', ' ', '"', ',', 'A', '\t', '\r', '\n') }),
        (text) => {
          const cell = csvLine([text])
            .replace(/\r\n$/, '')
            .replace(/^"([^]*)"$/, '$1');
          expect(cell).not.toMatch(/^\s*[=+\-@]/);
        },
      ),
    );
  });

  it('leaves numbers as they are, nothing empty, and empty text in quotes', () => {
    expect(csvLine([-5, null, '', 'a b', 'x,"y"'])).toBe('-5,,"",a b,"x,""y"""\r\n');
  });
});
