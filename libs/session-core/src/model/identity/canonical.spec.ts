import { describe, expect, it } from '@jest/globals';
import { flawOfGroup } from '../group-problems.js';
import { canonicalUser, DEFAULT_IDENTITY_RULES, identify, type IdentityRules } from './index.js';

const KEEP_ALL: IdentityRules = { case: 'keep', domain: 'keep', userFrom: 'from' };

function canonical(written: string, rules = DEFAULT_IDENTITY_RULES): string {
  const found = canonicalUser(written, rules);
  return found.ok ? found.user : `refused: ${found.message}`;
}

function named(escaped: string): string {
  const found = identify({ from: `<sip:${escaped}@h>` }, DEFAULT_IDENTITY_RULES);
  return found.ok ? found.user : `refused: ${found.message}`;
}

describe('a user name as somebody writes it', () => {
  it.each([
    ['alice', 'alice'],
    ['ALICE', 'alice'],
    [' alice ', 'alice'],
    ['a.b@c', 'a.b@c'],
    ['A.B@C', 'a.b@c'],
    ['+14155551234', '+14155551234'],
    ['+1-415-555-1234', '+14155551234'],
    ['1-2-3', '1-2-3'],
    ['%61lice', '%61lice'],
    ['100%', '100%'],
    ['a:b', 'a:b'],
    ['sip', 'sip'],
    ['sipster:x', 'sipster:x'],
    ['mailto:a@b', 'mailto:a@b'],
    ['<b>', '<b>'],
    ['Alice Liddell', 'alice liddell'],
    ['sip:alice@h', 'alice'],
    ['sip:a.b%40c@h;user=x', 'a.b@c'],
    ['tel:+1-415-555-1234', '+14155551234'],
    ['"B" <sips:alice@h>;tag=1', 'alice'],
    ['__proto__', '__proto__'],
  ])('%j is %j', (written, user) => expect(canonical(written)).toBe(user));

  it.each([
    ['', 'more than blanks'],
    [' \u00A0', 'more than blanks'],
    ['_default', '_default'],
    ['_DEFAULT', '_default'],
    ['alice\n', 'U+000A'],
    ['al\0ice', 'U+0000'],
    ['al\u007Fice', 'U+007F'],
    ['al\u009Fice', 'U+009F'],
    ['alice\u2028', 'U+2028'],
    ['al\uD800ice', 'U+D800'],
    ['\uFEFFalice', 'U+FEFF'],
    ['al\u200Dice', 'U+200D'],
    ['al\u200Cice', 'U+200C'],
    ['alice\uFE0F', 'U+FE0F'],
    ['alice\u{E0100}', 'U+E0100'],
    ['alice\u0378', 'U+0378'],
    ['alice\u{E0FFF}', 'U+E0FFF'],
    ['sip:al%E2%80%8Dice@h', 'U+200D'],
    ['sip:alice', 'a user before its host'],
    ['<sip:alice@h', 'without its >'],
    ['a'.repeat(257), 'at most 256 bytes'],
    ['a'.repeat(65_536), 'at most 256 bytes'],
  ])('%j is refused', (written, reason) => {
    expect(canonical(written)).toMatch(/^refused: (?:must|has) /);
    expect(canonical(written)).toContain(reason);
  });

  it.each([
    ['Alice@Example.COM', 'Alice@example.com'],
    ['Alice@example.com. ', 'Alice@example.com'],
    ['Alice@[::0001]', 'Alice@[::1]'],
    ['Alice @h', 'Alice@h'],
    ['+1-415@gw', '+1415@gw'],
    ['Alice@\u212A', 'Alice@k'],
    ['Alice@no host', 'Alice@no host'],
    ['@H', '@H'],
    ['Alice', 'Alice'],
    ['_default@h', '_default@h'],
  ])('where case and domain count, %j is %j', (written, user) => expect(canonical(written, KEEP_ALL)).toBe(user));

  it('keeps the host of a name apart from the name where domains do not count', () => {
    expect(canonical('a@EXAMPLE.com')).toBe('a@example.com');
    expect(canonical('a@b', DEFAULT_IDENTITY_RULES)).not.toBe(canonical('a'));
  });
});

describe('what shows nothing', () => {
  it('is refused in names of users and groups: ZWJ, variation selectors, unassigned characters', () => {
    for (const invisible of [
      '\u200D',
      '\u200C',
      '\uFE0E',
      '\uFE0F',
      '\u180B',
      '\u{E0100}',
      '\u00AD',
      '\u2060',
      '\u0378',
      '\u{E0FFF}',
    ]) {
      expect(canonical(`al${invisible}ice`)).toContain('printable characters only');
      expect(canonical(`al${invisible}ice`, KEEP_ALL)).toContain('printable characters only');
      expect(flawOfGroup(`trunk:we${invisible}st`)).toContain('printable');
    }
    for (const visible of ['é', '\u0301', 'م', '한', '🙂', ' ']) {
      expect(canonical(`al${visible}ice`)).not.toContain('refused');
      expect(flawOfGroup(`trunk:we${visible}st`)).toBeNull();
    }
  });
});

describe('names that read as a URI', () => {
  it.each([
    ['sip%3Aalice', 'sip%3aalice'],
    ['SIPS:alice', 'sips'],
    ['sip%253aalice', 'sip%253aalice'],
    ['sip%25253aalice', 'sip%25253aalice'],
    ['%3Csip%3Aalice%40g%3E', '<sip%3aalice@g>'],
    ['x%3C%20tel%3A+1%3E', 'x< tel%3a+1>'],
    ['sipx%3Aalice', 'sipx:alice'],
    ['a-sip%3Aalice', 'a-sip:alice'],
  ])('%j is printed as %j, and that is read as the same user', (escaped, user) => {
    expect(named(escaped)).toBe(user);
    expect(canonical(user)).toBe(user);
  });

  it('stay apart from each other and from the user of that URI', () => {
    const users = ['sip%3Aalice%40h', 'sip%253aalice%40h', 'sip%25253aalice%40h', 'alice'].map(named);
    expect(new Set(users).size).toBe(4);
  });
});

/** Planes 0 to 2; above them is nothing that folds or composes. */
describe('every character of Unicode', () => {
  it('has a canonical form that is its own, alone and under marks that NFC reorders', () => {
    for (const rules of [DEFAULT_IDENTITY_RULES, KEEP_ALL]) {
      for (let code = 0; code <= 0x2_ffff; code++) {
        const written = `a${String.fromCodePoint(code)}\u0327\u0301`;
        const once = canonicalUser(written, rules);
        if (once.ok && canonical(once.user, rules) !== once.user) {
          throw new Error(`${JSON.stringify(written)} is ${once.user}, then ${canonical(once.user, rules)}`);
        }
      }
    }
  });
});
