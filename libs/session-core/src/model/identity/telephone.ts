import type { UriUser } from './uri.js';

/** RFC 3966 section 3, with the visual separators `-.()`. */
const GLOBAL_NUMBER = /^\+[-.()]*\d[-.()\d]*$/;
const LOCAL_NUMBER = /^[-.()]*[\d*#][-.()\d*#]*$/;
const LOCAL_NUMBER_OF_TEL = /^[-.()]*[\da-f*#][-.()\da-f*#]*$/i;

/**
 * The telephone number that a name spells, without visual separators and parameters (`;ext`, `;phone-context`, …); undefined if
 * it is none.
 *
 * A number is
 * - any name that is a `+`, digits and separators: nothing but a global number looks so, and gateways often leave out
 *   `user=phone`, so that `sip:+1-415-555-1234@gw`, the tel: URI and a plain `+14155551234` are one user;
 * - a local number (digits, `*`, `#`) only if `user=phone` says so: `1-2-3` may well be an account;
 * - in `tel:` also the hexadecimal digits of RFC 3966. With `user=phone`, which some telephones put on every URI, they would
 *   make `dead.beef` and `deadbeef` one user.
 */
export function telephoneNumber(name: string, kind: UriUser['kind']): string | undefined {
  const [subscriber = ''] = name.split(';', 1);
  const isNumber =
    GLOBAL_NUMBER.test(subscriber) ||
    (kind === 'phone' && LOCAL_NUMBER.test(subscriber)) ||
    (kind === 'tel' && LOCAL_NUMBER_OF_TEL.test(subscriber));
  return isNumber ? subscriber.replace(/[-.()]/g, '').toLowerCase() : undefined;
}
