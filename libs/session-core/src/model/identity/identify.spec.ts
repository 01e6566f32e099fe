import { describe, expect, it } from '@jest/globals';
import { DEFAULT_IDENTITY_RULES, identify, type IdentityRules, type IdentitySources } from './index.js';

const KEEP_DOMAIN: IdentityRules = { ...DEFAULT_IDENTITY_RULES, domain: 'keep' };

function userOf(sources: IdentitySources, rules = DEFAULT_IDENTITY_RULES): string {
  const found = identify(sources, rules);
  return found.ok ? found.user : `refused: ${found.path} ${found.message}`;
}

function by(userFrom: IdentityRules['userFrom']): IdentityRules {
  return { ...DEFAULT_IDENTITY_RULES, userFrom };
}

function fromUser(from: string, rules = DEFAULT_IDENTITY_RULES): string {
  return userOf({ from }, rules);
}

describe('the user of a From header', () => {
  it.each([
    ['sip:alice@h', 'alice'],
    ['sips:alice@h', 'alice'],
    ['SIP:alice@h', 'alice'],
    ['sip:%61lice@h', 'alice'],
    ['sip:ALICE@h', 'alice'],
    ['<sip:alice@h;x=1>', 'alice'],
    ['<sip:alice@h:5060;transport=tcp?subject=hello>;tag=19', 'alice'],
    ['"B" <sip:alice:pw@h>', 'alice'],
    ['sip:alice:p:w@h', 'alice'],
    ['sip:alice:@h', 'alice'],
    ['sip:alice@h;tag=1', 'alice'],
    ['sip:alice@h ; tag = 1', 'alice'],
    ['sip:alice@h\r\n ;tag=1', 'alice'],
    ['"A\r\n\tB"\r\n <sip:alice@h>\r\n\t;tag=1', 'alice'],
    ['\t <sip:alice@h>\r\n', 'alice'],
    ['< sip:alice@h >', 'alice'],
    ['Alice<sip:alice@h>', 'alice'],
    ['Alice B. Carroll <sip:alice@h>', 'alice'],
    ['"" <sip:alice@h>', 'alice'],
    [String.raw`"\"<sip:bob@h>, \\" <sip:alice@h>;tag=1`, 'alice'],
    ['"sip:bob@h;tag=2, <sip:carol@h>" <sip:alice@h>', 'alice'],
    ['<sip:alice@h>;x="<sip:bob@h>"', 'alice'],
    ['sip:alice@[2001:db8::1]:5060', 'alice'],
    ['sip:alice@192.0.2.1', 'alice'],
    ['sip:alice@under_score.example.', 'alice'],
    ['sip:a.b%40c@h', 'a.b@c'],
    ['sip:a%3Ab@h', 'a:b'],
    ['sip:a%25b@h', 'a%b'],
    ['sip:%2561lice@h', '%61lice'],
    ['sip:*21#@h', '*21#'],
    ['sip:j%C3%BCrgen@h', 'jürgen'],
    ['sip:JU%CC%88RGEN@h', 'jürgen'],
    ['sip:jürgen@h', 'jürgen'],
    ['sip:%F0%9F%9A%80@h', '🚀'],
    ['sip:%20alice%20@h', 'alice'],
    ['sip:a/b?c,d;e=f&g$h@h', 'a/b?c,d;e=f&g$h'],
    ['sip:__proto__@h', '__proto__'],
  ])('%j is %j', (from, user) => expect(fromUser(from)).toBe(user));

  it.each([
    ['sip:example.com', 'a user before its host'],
    ['<sip:example.com;x=1>;tag=1', 'a user before its host'],
    ['sip:@h', 'a user before the @'],
    ['sip::pw@h', 'a user before the @'],
    ['sip:%20@h', 'more than blanks'],
    ['sip:%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80@h', 'U+200D'],
    ['sip:alice@', 'a host name'],
    ['sip:alice@h..example', 'a host name'],
    ['sip:alice@[::1', 'a host name'],
    ['sip:alice@[1.2]', 'a host name'],
    ['sip:alice@h:port', 'a host name'],
    ['sip:alice@h <sip:bob@h>', 'one @'],
    ['sip:alice@h@g', 'one @; write one inside the user as %40'],
    ['<sip:alice@h;x=b@g>', 'one @'],
    ['sip:al ice@h', 'percent-escapes'],
    ['sip:"alice"@h', 'percent-escapes'],
    ['sip:alice%@h', 'write a % itself as %25'],
    ['sip:alice%4@h', 'write a % itself as %25'],
    ['sip:alice%zz@h', 'write a % itself as %25'],
    ['sip:%FF@h', 'well-formed UTF-8'],
    ['sip:%C0%AFalice@h', 'well-formed UTF-8'],
    ['sip:%ED%A0%80@h', 'well-formed UTF-8'],
    ['sip:alice%00@h', 'U+0000'],
    ['sip:alice%0D%0A@h', 'U+000D'],
    ['sip:alice%7F@h', 'U+007F'],
    ['sip:alice%C2%85@h', 'U+0085'],
    ['sip:alice%E2%80%8B@h', 'U+200B'],
    ['sip:%E2%80%AEecila@h', 'U+202E'],
    ['sip:alice%EF%BF%BD@h', 'U+FFFD'],
    ['sip:al\0ice@h', 'control characters'],
    ['<sip:alice@h;x=\u0007>', 'control characters'],
    ['<sip:alice@h>\r\nX-Evil: 1', 'a line break'],
    ['<sip:alice@h', 'a < without its >'],
    ['"B <sip:alice@h>', 'whose quote never ends'],
    [String.raw`"B\" <sip:alice@h>`, 'whose quote never ends'],
    ['"B" x <sip:alice@h>', 'must hold a sip:'],
    ['"B" sip:alice@h', 'must hold a sip:'],
    ['B "C" <sip:alice@h>', 'quoted in part'],
    ['<sip:alice@h> x', 'text after the >'],
    ['<sip:alice@h>, <sip:bob@h>', 'one address'],
    ['alice', 'give a plain name as user'],
    ['alice@example.com', 'give a plain name as user'],
    ['<alice@example.com>', 'must hold a sip:'],
    ['<>', 'must hold a sip:'],
    ['<http://www.example.com>;tag=1', 'other schemes'],
    ['mailto:alice@example.com', 'other schemes'],
    ['sip:_default@h', '_default'],
    [`sip:${'a'.repeat(257)}@h`, 'at most 256 bytes; it has 257'],
    [`"${'x'.repeat(4096)}" <sip:alice@h>`, 'at most 4096 bytes'],
  ])('%j is refused', (from, reason) => {
    expect(fromUser(from)).toContain('refused: from ');
    expect(fromUser(from)).toContain(reason);
  });

  it('may have 256 bytes, counted in UTF-8 and after decoding', () => {
    expect(fromUser(`sip:${'%C3%A9'.repeat(128)}@h`)).toBe('é'.repeat(128));
    expect(fromUser(`sip:${'%C3%A9'.repeat(129)}@h`)).toContain('it has 258');
  });

  it('keeps its case where the tenant says so', () => {
    expect(fromUser('sip:%41lice@h', { ...DEFAULT_IDENTITY_RULES, case: 'keep' })).toBe('Alice');
  });

  it.each([
    ['sip:Alice@Example.COM', 'alice@example.com'],
    ['<sip:alice@example.com.:5061;x=1>;tag=1', 'alice@example.com'],
    ['sip:alice@[2001:DB8::0001]:5060', 'alice@[2001:db8::1]'],
    ['sip:a%40b@h', 'a@b@h'],
    ['sip:+1-415-555-1234@gw', '+14155551234@gw'],
    ['tel:+1-415-555-1234', '+14155551234'],
    [`sip:${'a'.repeat(250)}@example.com`, 'refused: from must name a user of at most 256 bytes; it has 262'],
  ])('with its domain, %j is %j', (from, user) => expect(fromUser(from, KEEP_DOMAIN)).toBe(user));
});

describe('telephone numbers', () => {
  it.each([
    ['tel:+1-415-555-1234', '+14155551234'],
    ['TEL:+1(415)555.1234', '+14155551234'],
    ['<tel:+1-415-555-1234;ext=99>;tag=1', '+14155551234'],
    ['tel:7042;phone-context=example.com', '7042'],
    ['tel:*21%23', '*21#'],
    ['tel:1A-2b;phone-context=+1', '1a2b'],
    ['sip:+1-415-555-1234@gw', '+14155551234'],
    ['sip:%2B1-415-555-1234@gw', '+14155551234'],
    ['sip:+1-415-555-1234;phone-context=x@gw;user=phone', '+14155551234'],
    ['sip:+1-415-555-1234;ext=9:pw@gw', '+14155551234'],
    ['<sip:1-2-3@gw;transport=udp;user=phone>', '123'],
    ['<sip:1-2-3@gw;USER=Phone>', '123'],
  ])('%j is %j', (from, user) => expect(fromUser(from)).toBe(user));

  it.each([
    ['sip:1-2-3@gw', '1-2-3'],
    ['sip:1-2-3;x=1@gw', '1-2-3;x=1'],
    ['<sip:1-2-3@gw;user=phones>', '1-2-3'],
    ['<sip:dead.beef@gw;user=phone>', 'dead.beef'],
    ['<sip:a-b;x=1@gw;user=phone>', 'a-b;x=1'],
    ['sip:+1-415x@gw', '+1-415x'],
    ['sip:+-@gw', '+-'],
  ])('%j is the name %j', (from, user) => expect(fromUser(from)).toBe(user));

  it.each(['tel:', 'tel:+', 'tel:alice', 'tel:+1 415', 'tel:+1@gw', 'tel:;ext=1'])('%j is refused', (from) =>
    expect(fromUser(from)).toContain('must have a telephone number'),
  );
});

describe('which source counts', () => {
  const all = { from: 'sip:f@h', assertedIdentity: '<sip:a@h>', user: 'u' };

  it.each(['from', 'asserted', 'user'] as const)('a user given outright wins under %j', (rule) =>
    expect(userOf(all, by(rule))).toBe('u'),
  );

  it('From by default, the asserted identity where the tenant says so', () => {
    expect(userOf({ ...all, user: undefined }, by('from'))).toBe('f');
    expect(userOf({ ...all, user: undefined }, by('asserted'))).toBe('a');
  });

  it('the one that is given where the other is not; blank is not given', () => {
    expect(userOf({ from: 'sip:f@h', assertedIdentity: '' }, by('asserted'))).toBe('f');
    expect(userOf({ assertedIdentity: 'sip:a@h', from: ' ', user: '' }, by('from'))).toBe('a');
  });

  it('only user under "user"', () => {
    expect(identify({ ...all, user: undefined }, by('user'))).toMatchObject({ ok: false, path: 'user' });
  });

  it('none: says what to give', () => {
    expect(identify({}, by('from'))).toMatchObject({ ok: false, path: 'from' });
    expect(identify({}, by('asserted'))).toMatchObject({ ok: false, path: 'from' });
  });

  it('a broken one is refused by its own name, never passed over', () => {
    expect(identify({ ...all, user: 'sip:' }, by('from'))).toMatchObject({ ok: false, path: 'user' });
    expect(identify({ ...all, user: undefined, from: 'x' }, by('from'))).toMatchObject({ ok: false, path: 'from' });
    expect(identify({ ...all, user: undefined, assertedIdentity: 'x' }, by('asserted'))).toMatchObject({
      ok: false,
      path: 'assertedIdentity',
    });
  });

  it.each([
    ['"A" <sip:alice@h>, <tel:+14155551234>', 'alice'],
    ['tel:+14155551234, "A" <sip:alice@h>', '+14155551234'],
    ['sip:alice@h, tel:+14155551234', 'alice'],
    ['sip:a,b@h, <sip:bob@h>', 'a,b'],
    ['"x, y" <sip:alice@h>,<sip:bob@h>', 'alice'],
  ])('of the list %j of asserted identities the first: %j', (assertedIdentity, user) =>
    expect(userOf({ assertedIdentity })).toBe(user),
  );
});

describe('anonymous callers', () => {
  const anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1';

  it('are the user anonymous', () => {
    for (const rules of [DEFAULT_IDENTITY_RULES, KEEP_DOMAIN, { ...KEEP_DOMAIN, case: 'keep' as const }]) {
      expect(identify({ from: anonymous }, rules)).toEqual({ ok: true, user: 'anonymous', anonymous: true });
      expect(identify({ from: 'sips:Anonymous@ANONYMOUS.invalid' }, rules)).toMatchObject({ user: 'anonymous' });
      expect(identify({ user: 'anonymous@anonymous.invalid' }, rules)).toMatchObject({
        user: 'anonymous',
        anonymous: true,
      });
    }
  });

  it('are whom the network vouches for', () => {
    const sources = { from: anonymous, assertedIdentity: '<sip:alice@h>' };
    expect(identify(sources, DEFAULT_IDENTITY_RULES)).toEqual({ ok: true, user: 'alice', anonymous: false });
  });

  it('stay refused where the vouching is broken', () => {
    const sources = { from: anonymous, assertedIdentity: '<sip:h>' };
    expect(identify(sources, DEFAULT_IDENTITY_RULES)).toMatchObject({ ok: false, path: 'assertedIdentity' });
  });

  it('share their name with everybody who comes out as anonymous', () => {
    expect(identify({ from: 'sip:anonymous@example.com' }, DEFAULT_IDENTITY_RULES)).toMatchObject({ anonymous: true });
    expect(identify({ from: 'sip:anonymous@example.com' }, KEEP_DOMAIN)).toEqual({
      ok: true,
      user: 'anonymous@example.com',
      anonymous: false,
    });
  });
});
