import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { inForm } from '#testing';
import { Grammar } from 'sip.js/lib/grammar/index.js';
import { identify, type IdentityRules } from './index.js';

/** Names as they are: no folding, no domain, so that what remains is decoding (NFC, outer blanks, numbers, printable only). */
const PLAIN: IdentityRules = { case: 'keep', domain: 'drop', userFrom: 'from' };

const oneOf = (characters: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(characters));
const ALPHANUMERIC = 'abcxyzABCXYZ019';
const escaped = oneOf('aZ5 @:;<>"%/\\[]#é日😀').map((character) => encodeURIComponent(character));

const token = fc.string({ unit: oneOf(`${ALPHANUMERIC}-.!%*_+\`'~`), minLength: 1, maxLength: 8 });
const quoted = fc
  .array(
    fc.oneof(
      oneOf(`${ALPHANUMERIC} <>,;:@é'`),
      oneOf('\\"<>,;a').map((character) => `\\${character}`),
    ),
    { maxLength: 12 },
  )
  .map((characters) => `"${characters.join('')}"`);
const displayName = fc.oneof(
  fc.constant(''),
  quoted,
  fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => `${tokens.join(' ')} `),
);
const user = fc
  .array(fc.oneof(oneOf(`${ALPHANUMERIC}-_.!~*'()&=+$,;?/`), escaped), { minLength: 1, maxLength: 20 })
  .map((characters) => characters.join(''));
const password = fc.oneof(
  fc.constant(''),
  fc.string({ unit: oneOf(`${ALPHANUMERIC}-_.!~*'()&=+$,`), maxLength: 8 }).map((text) => `:${text}`),
);
const host = fc.constantFrom(
  'h',
  'example.com',
  'A-1.example.COM',
  '192.0.2.1',
  '[2001:db8::1]',
  'atlanta.example.com:5060',
  '[::1]:5061',
);
const uriParameters = fc.constantFrom('', ';transport=tcp', ';lr', ';x=1;y=%41', ';method=INVITE?subject=a%20b');
const headerParameters = fc.constantFrom('', ';tag=19', ' ; tag = 19', ';x="a;b"', ';tag=1;x');

const nameAddr = fc
  .record({
    displayName,
    scheme: fc.constantFrom('sip', 'sips', 'SIP'),
    user,
    password,
    host,
    uriParameters,
    headerParameters,
  })
  .map((part) => ({
    header: `${part.displayName}<${part.scheme}:${part.user}${part.password}@${part.host}${part.uriParameters}>${part.headerParameters}`,
    secret: part.password,
  }));

/** What sip.js calls the user has the password behind it. */
function userBySipJs(header: string, secret: string): string | undefined {
  const userinfo = Grammar.nameAddrHeaderParse(header)?.uri.user;
  return userinfo?.slice(0, userinfo.length - secret.length);
}

describe('against the grammar of sip.js', () => {
  it('finds the same user in every valid name-addr', () => {
    fc.assert(
      fc.property(nameAddr, ({ header, secret }) => {
        const peer = userBySipJs(header, secret);
        if (peer === undefined) throw new Error(`sip.js does not understand ${header}`);

        const expected = peer.normalize('NFC').trim();
        // Numbers, and names that read as URIs, have spellings of their own, which are tested as claims.
        fc.pre(expected !== '' && !/^\+[-.()]*\d|(?:^|<)(?:sips?|tel)[:%]/i.test(expected));
        expect({ header, ...identify({ from: header }, PLAIN) }).toEqual({
          header,
          ok: true,
          user: expected,
          anonymous: false,
        });
      }),
      { numRuns: inForm({ short: 1_000, long: 5_000 }) },
    );
  });
});
