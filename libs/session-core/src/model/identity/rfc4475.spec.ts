import { describe, expect, it } from '@jest/globals';
import { DEFAULT_IDENTITY_RULES, identify } from './index.js';

/**
 * The addresses of the SIP torture test messages, RFC 4475, by section: From and To values as they stand there, and
 * Request-URIs. Sections whose messages try something else than an address have none here.
 */
function userOf(from: string): string | undefined {
  const found = identify({ from }, DEFAULT_IDENTITY_RULES);
  return found.ok ? found.user : undefined;
}

const LONG_CALLER = 'amazinglylongcallername'.repeat(5);

describe('RFC 4475', () => {
  it.each([
    ['3.1.1.1 wsinv To', '\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n', 'vivekg'],
    [
      '3.1.1.1 wsinv From',
      String.raw`"J Rosenberg \\\""       <sip:jdrosen@example.com>` + '\r\n  ;\r\n  tag = 98asjd8',
      'jdrosen',
    ],
    [
      '3.1.1.1 wsinv Contact',
      String.raw`"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =` + '\r\n newvalue',
      'jdrosen',
    ],
    [
      '3.1.1.2 intmeth Request-URI',
      "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
      "1_unusual.uri~(to-be!sure)&isn't+it$/crazy?,/;;*",
    ],
    [
      '3.1.1.2 intmeth To',
      `"BEL:\\\u0007 NUL:\\\0 DEL:\\\u007F" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>`,
      "1_unusual.uri~(to-be!sure)&isn't+it$/crazy?,/;;*",
    ],
    [
      '3.1.1.2 intmeth From',
      "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
      'mundane',
    ],
    ['3.1.1.3 esc01 Request-URI', 'sip:sips%3Auser%40example.com@example.net', 'sips%3auser@example.com'],
    ['3.1.1.3 esc01 To', 'sip:%75se%72@example.com', 'user'],
    ['3.1.1.3 esc01 From', '<sip:I%20have%20spaces@example.net>;tag=938', 'i have spaces'],
    ['3.1.1.3 esc01 Contact', '<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>', 'caller'],
    ['3.1.1.5 esc02 From', '"%Z%45" <sip:resource@example.com>;tag=f232jadfj23', 'resource'],
    ['3.1.1.6 lwsdisp From', 'caller<sip:caller@example.com>;tag=323', 'caller'],
    [
      '3.1.1.7 longreq To',
      `"I have a user name of ${'extreme'.repeat(10)} proportion"<sip:user@example.com:6000;unknownparam1=very${'long'.repeat(20)}value>`,
      'user',
    ],
    [
      '3.1.1.7 longreq From',
      `sip:${LONG_CALLER}@example.net;tag=12${'982'.repeat(50)}424;novalue${'name'.repeat(20)}`,
      LONG_CALLER,
    ],
    ['3.1.1.9 semiuri Request-URI', 'sip:user;par=u%40example.net@example.com', 'user;par=u@example.net'],
    ['3.1.1.9 semiuri From', 'sip:caller@example.org;tag=33242', 'caller'],
    ['3.1.1.10 transports From', '<sip:caller@example.com>;tag=323', 'caller'],
    ['3.1.2.13 regbadct Contact', 'sip:user@example.com?Route=%3Csip:sip.example.com%3E', 'user'],
    ['3.1.2.14 badaspec To', '"Watson, Thomas" < sip:t.watson@example.org >', 't.watson'],
    ['3.1.2.15 baddn From', 'Bell, Alexander <sip:a.g.bell@example.com>;tag=43', 'a.g.bell'],
    ['3.4.1 inv2543 From', '<sip:+13035551111@ift.client.example.net;user=phone>', '+13035551111'],
    ['3.4.1 inv2543 To', 'sip:+16505552222@ss1.example.net;user=phone', '+16505552222'],
  ])('%s', (_section, header, user) => expect(userOf(header)).toBe(user));

  it.each([
    // Well-formed there; but a name with NUL is neither cut short nor kept.
    ['3.1.1.4 escnull From', 'sip:null-%00-null@example.com;tag=839923423'],
    ['3.1.1.4 escnull Contact', '<sip:%00@host5.example.com>'],
    ['3.1.2.6 quotbal To', '"Mr. J. User <sip:j.user@example.com>'],
    ['3.3.4 unksm2 To', 'isbn:2983792873'],
    ['3.3.4 unksm2 From', '<http://www.example.com>;tag=3234233'],
  ])('%s is refused', (_section, header) => expect(userOf(header)).toBeUndefined());
});
