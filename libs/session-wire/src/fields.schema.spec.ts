import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { group, jsonObject } from './fields.schema.js';

const schema = jsonObject(4_096);
const messages = (json: string, of = schema) =>
  of.safeParse(JSON.parse(json)).error?.issues.map(({ message }) => message);
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

const DEEP = ['must be nested at most 32 deep'];
const INFINITE = ['must hold finite numbers only'];

describe('a JSON object', () => {
  it.each([
    ['1e999', '{"a":1e999}', INFINITE],
    ['-1e999 inside', '{"a":[{"b":[1,-1e999]}]}', INFINITE],
    ['33 objects', objects(33), DEEP],
    ['lists beyond 32', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`, DEEP],
    ['what would overflow a stack', `{"a":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`, DEEP],
    ['what is too large', `{"a":"${'x'.repeat(4_090)}"}`, ['must be at most 4096 bytes when written as JSON']],
  ])('is refused with one message: %s', (_name, json, expected) => {
    expect(messages(json)).toEqual(expected);
  });

  it('is taken at its bounds', () => {
    for (const json of [
      objects(32),
      `{"a":"${'x'.repeat(4_088)}"}`,
      '{"a":[1.7976931348623157e308,-0.0,5e-324]}',
      '{}',
    ]) {
      expect(messages(json)).toBeUndefined();
    }
  });

  it('that is taken comes back from its text as it was', () => {
    const name = fc.string().filter((text) => text !== '__proto__');
    const large = jsonObject(1_000_000);
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue({ maxDepth: 20 })), (value) => {
        const json = JSON.stringify(value);
        const taken = large.parse(JSON.parse(json));
        expect(JSON.stringify(taken)).toBe(json);
      }),
    );
  });
});

describe('a group with what shows nothing in its name', () => {
  it.each(['\u200D', '\uFE0F', '\u{E0100}', '\u0378', '\u00AD', '\0'])('is refused: %j', (invisible) => {
    expect(group().safeParse(`trunk:we${invisible}st`).success).toBe(false);
  });

  it('is refused, what is seen is not', () => {
    for (const name of ['west', 'wé st', '西', '🙂']) expect(group().safeParse(`trunk:${name}`).success).toBe(true);
  });
});
