import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { inForm } from '#testing';
import { canonicalUser, DEFAULT_IDENTITY_RULES, identify, type IdentityRules } from './index.js';

const RUNS = { numRuns: inForm({ short: 600, long: 3_000 }) };

const rules = fc.record<IdentityRules>({
  case: fc.constantFrom('fold', 'keep'),
  domain: fc.constantFrom('drop', 'keep'),
  userFrom: fc.constantFrom('from', 'asserted', 'user'),
});

/** Text made of what addresses are made of, so that chance gets past the first check. */
const PIECES = [
  'sip:|sips:|tel:|SIP%3A|sip%3a|sip%253a|%25|%3A|%40|%3C|%00|%2B|%20|%|<|>|"|\\|;|,|?|:|@|@h|@[::1]|;user=phone',
  '+1|-|.| |\t|\r\n |\n|Alice|Σ|İ|é|e\u0301|\u0327|\u037E|\u212A|\u0130\u0327|\u200D|\u200B|\uD83D',
  'anonymous|@anonymous.invalid|_default',
];
const piece = fc.constantFrom(...PIECES.flatMap((pieces) => pieces.split('|')));
const address = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 6 }).map((pieces) => `"B" <sip:${pieces.join('')}@h>`),
  fc.array(piece, { maxLength: 6 }).map((pieces) => `<sip:${encodeURIComponent(wellFormed(pieces.join('')))}@h>`),
  fc.string({ unit: 'binary' }),
);

function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

function everyByteEscaped(name: string): string {
  return Array.from(Buffer.from(name), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

describe('identity', () => {
  it('never throws, and either names a user of 1 to 256 bytes or a source with a reason', () => {
    const sources = fc.record({ from: address, assertedIdentity: address, user: address }, { requiredKeys: [] });
    fc.assert(
      fc.property(sources, rules, (given, by) => {
        const found = identify(given, by);
        if (!found.ok) return ['from', 'assertedIdentity', 'user'].includes(found.path) && found.message.length > 0;
        const bytes = Buffer.byteLength(found.user);
        return (
          bytes >= 1 && bytes <= 256 && found.user !== '_default' && found.anonymous === (found.user === 'anonymous')
        );
      }),
      RUNS,
    );
  });

  it('maps every user that it names to itself, whoever writes it', () => {
    fc.assert(
      fc.property(address, rules, (from, by) => {
        const found = identify({ from }, { ...by, userFrom: 'from' });
        fc.pre(found.ok);
        expect(canonicalUser(found.user, by)).toEqual({ ok: true, user: found.user });
        expect(identify({ user: found.user }, by)).toEqual(found);
      }),
      RUNS,
    );
  });

  it('maps the canonical form of any written name to itself', () => {
    fc.assert(
      fc.property(fc.oneof(address, fc.string({ unit: 'grapheme' })), rules, (written, by) => {
        const found = canonicalUser(written, by);
        fc.pre(found.ok);
        expect(canonicalUser(found.user, by)).toEqual(found);
      }),
      RUNS,
    );
  });

  it('gives one user for every escape spelling of a name', () => {
    const unit = fc.constantFrom(...Array.from('aZ09-_.!~*()&=+$,;?/é日😀'));
    const name = fc.array(fc.record({ character: unit, escape: fc.boolean() }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(name, rules, (characters, rule) => {
        const by: IdentityRules = { ...rule, userFrom: 'from' };
        const plain = characters.map(({ character }) => character).join('');
        const spelled = characters
          .map(({ character, escape }) => (escape ? everyByteEscaped(character) : character))
          .join('');
        const user = identify({ from: `sip:${plain}@h` }, by);
        expect(identify({ from: `"B" <sip:${spelled}:pw@h;x=1>;tag=1` }, by)).toEqual(user);
        expect(identify({ from: `SIPS:${everyByteEscaped(plain)}@H:5061 ;tag=1` }, by)).toEqual(user);
      }),
      RUNS,
    );
  });

  it('keeps different names different', () => {
    const name = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => wellFormed(pieces.join('')));
    const keep: IdentityRules = { case: 'keep', domain: 'drop', userFrom: 'from' };
    const meantToBeOne = /^\s*(?:\+[-.()]*\d|anonymous)/;
    fc.assert(
      fc.property(name, name, (a, b) => {
        fc.pre(a.normalize('NFC').trim() !== b.normalize('NFC').trim());
        fc.pre(!meantToBeOne.test(a) && !meantToBeOne.test(b));
        const one = identify({ from: `<sip:${everyByteEscaped(a)}@h>` }, keep);
        const other = identify({ from: `<sip:${everyByteEscaped(b)}@h>` }, keep);
        fc.pre(one.ok && other.ok);
        expect(one.user).not.toBe(other.user);
      }),
      RUNS,
    );
  });

  /** A pattern that tries every way to match would not come back from these within the test's time. */
  const UNITS =
    '"|\\|"\\|<|< |<  sip|@|:|;|; |;user=|;user=phone |%|%25|%3a|%41| |\r\n |\t|,|.|a.|-|+|[|sip%25|1|é'.split('|');
  it.each(UNITS)('answers hostile input of 64 KiB, and of the longest that is read: %j repeated', (unit) => {
    for (const start of ['', 'sip:', '<sip:', '"x" <sip:a@h;', 'tel:', 'tel:+', 'sip:a@', 'sip%']) {
      for (const bytes of [65_536, 4_096]) {
        const room = bytes - start.length;
        const hostile = start + unit.repeat(Math.floor(room / Buffer.byteLength(unit)));
        for (const domain of ['drop', 'keep'] as const) {
          const by: IdentityRules = { ...DEFAULT_IDENTITY_RULES, domain };
          const answers = [
            identify({ from: hostile }, by),
            identify({ assertedIdentity: hostile }, by),
            canonicalUser(hostile, by),
          ];
          for (const answer of answers) expect(answer.ok && bytes > 4_096).toBe(false);
        }
      }
    }
  });
});
