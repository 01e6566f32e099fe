import { isIP } from 'node:net';

import { z } from 'zod';

/** Controls, lone surrogates, line separators, and the mark that bytes leave that were no UTF-8. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/u;
/** The same, but a header may be folded over lines. */
const UNPRINTABLE_HEADER = /(?![\t\r\n])[\p{Cc}\p{Cs}\uFFFD]/u;

const GROUP = /^[a-z0-9-]{1,32}:/;
const MAX_PORT = 65_535;
/** The longest duration that the configuration takes as well: 3,650 days. */
const MAX_TTL_SECONDS = 315_360_000;

/** Printable text of 1 to `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number) {
  return bounded(maxBytes, UNPRINTABLE).refine((value) => value !== '', 'must not be empty');
}

/** The value of a SIP header as it came. */
export function header(maxBytes: number) {
  return bounded(maxBytes, UNPRINTABLE_HEADER);
}

// `refine` throughout: it is not asked where the type is wrong already, so that each field has one message.

function bounded(maxBytes: number, unprintable: RegExp) {
  return z
    .string()
    .refine((value) => Buffer.byteLength(value) <= maxBytes, `must be at most ${maxBytes} bytes of UTF-8`)
    .refine((value) => !unprintable.test(value), 'must hold printable characters only');
}

/** The id that the server gave: a Call-ID, for SIP. */
export const sessionId = () => text(256);

/** Larger for every new attempt of the same id; for SIP the CSeq number, which is below 2^31 (RFC 3261 8.1.1.5). */
export const attempt = () => wholeNumber(0, 2 ** 31 - 1);

export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z.number(expected).refine((value) => Number.isSafeInteger(value) && value >= min && value <= max, expected);
}

export function listOf<T extends z.ZodType>(item: T, most: number) {
  return z.array(item).refine((items) => items.length <= most, `must be a list of at most ${most}`);
}

export const port = () => wholeNumber(0, MAX_PORT);
export const ttlSeconds = () => wholeNumber(1, MAX_TTL_SECONDS);

export const ipAddress = () =>
  z.string().refine((value) => value.length <= 64 && isIP(value) !== 0, 'must be an IPv4 or IPv6 address');

/** `kind:name`, such as `trunk:west`. */
export const group = () =>
  z
    .string()
    .refine((value) => GROUP.test(value), 'must be kind:name, the kind of 1 to 32 of a-z, 0-9 and -')
    .refine(
      (value) => text(128).safeParse(value.slice(value.indexOf(':') + 1)).success,
      'must have a printable name of 1 to 128 bytes',
    );

/** Any JSON object whose serialisation has at most `maxBytes` bytes. */
export function jsonObject(maxBytes: number) {
  return z
    .record(z.string(), z.unknown())
    .refine((value) => jsonBytes(value) <= maxBytes, `must be at most ${maxBytes} bytes when written as JSON`);
}

/** What is nested too deep to be written is too large. */
function jsonBytes(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return Infinity;
  }
}
