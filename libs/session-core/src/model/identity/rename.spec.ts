import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formerUser,
  identify,
  lacksDomain,
  renamedName,
  renamedUser,
  type IdentityChange,
  type IdentityRules,
} from './index.js';

const rules = (letters: 'fold' | 'keep', domain: 'drop' | 'keep', userFrom: IdentityRules['userFrom'] = 'from') => ({
  case: letters,
  domain,
  userFrom,
});
const ALL = [rules('fold', 'drop'), rules('fold', 'keep'), rules('keep', 'drop'), rules('keep', 'keep')];
const change = (from: IdentityRules, to: IdentityRules): IdentityChange => ({ from, to });
const TO_DROP = change(rules('keep', 'keep'), rules('fold', 'drop'));
const TO_KEEP = change(rules('fold', 'drop'), rules('keep', 'keep'));

describe('the user of a live session under other identity rules', () => {
  it.each<[string, string, string | null, IdentityChange, string]>([
    ['loses its domain and folds, as the From would', 'Ann@a.example', 'sip:Ann@A.example', TO_DROP, 'ann'],
    ['takes domain and case from the From', 'ann', '"A" <sip:Ann@A.example;x=1>;tag=1', TO_KEEP, 'Ann@a.example'],
    ['keeps an @ that is in the name', 'a.b@c@h', 'sip:a.b%40c@h', TO_DROP, 'a.b@c'],
    ['stays without a domain where the From has none', '+14155551234', 'tel:+1-415-555-1234', TO_KEEP, '+14155551234'],
    ['stays as given where it was named outright, but for its case', 'Ann@Corp', null, TO_DROP, 'ann@corp'],
    ['stays as given where another From stands beside it', 'ann', 'sip:bob@h', TO_KEEP, 'ann'],
    [
      'loses its domain where it was asserted for an anonymous From',
      'Ann@a.example',
      'sip:anonymous@anonymous.invalid',
      TO_DROP,
      'ann',
    ],
    ['is nobody still', '', 'sip:ann@h', TO_DROP, ''],
    ['is anonymous still', 'anonymous', 'sip:anonymous@anonymous.invalid', TO_KEEP, 'anonymous'],
  ])('%s', (_, user, from, of, renamed) => expect(renamedUser(user, from, of)).toBe(renamed));

  it('loses its domain where the tenant takes users from the asserted identity', () => {
    const asserted = change(rules('keep', 'keep', 'asserted'), rules('fold', 'drop', 'asserted'));
    expect(renamedUser('+1415@gw', 'sip:other@h', asserted)).toBe('+1415');
  });

  const word = fc.string({
    unit: fc.constantFrom('a', 'B', '1', 'é', '%40', '%20', '.', '+', '-'),
    minLength: 1,
    maxLength: 6,
  });
  const from = fc
    .tuple(word, fc.constantFrom('a.example', 'B.Example', '[2001:db8::1]'))
    .map(([name, host]) => `sip:${name}@${host}`);
  const any = fc.constantFrom(...ALL);

  it('is whom the rules name by the same From, and renaming it again changes nothing', () => {
    fc.assert(
      fc.property(from, any, any, (header, was, is) => {
        const [before, after] = [identify({ from: header }, was), identify({ from: header }, is)];
        fc.pre(before.ok && after.ok);
        if (!before.ok || !after.ok) return;
        const renamed = renamedUser(before.user, header, change(was, is));
        expect(renamed).toBe(after.user);
        expect(renamedUser(renamed, header, change(was, is))).toBe(renamed);
        expect(formerUser(renamed, header, change(was, is))).toBe(before.user);
      }),
    );
  });
});

describe('the name of a limit under other identity rules', () => {
  it.each<[string, string, IdentityChange, string]>([
    ['loses its domain', 'Ann@a.example', TO_DROP, 'ann'],
    [
      'keeps it where users are named outright',
      'Ann@a.example',
      change(rules('keep', 'keep', 'user'), rules('fold', 'drop', 'user')),
      'ann@a.example',
    ],
    ['has no domain to take', 'ann', TO_KEEP, 'ann'],
  ])('%s', (_, user, of, renamed) => expect(renamedName(user, of)).toBe(renamed));

  it('lacks a domain where domains count and it has none', () => {
    expect(['ann', 'ann@h', 'anonymous', ''].map((user) => lacksDomain(user, rules('fold', 'keep')))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(lacksDomain('ann', rules('fold', 'drop'))).toBe(false);
  });
});
