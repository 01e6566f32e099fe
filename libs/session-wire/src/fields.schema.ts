import { z } from 'zod';

import {
  canonicalAddress,
  canonicalDestination,
  canonicalHost,
  EMERGENCY_GROUP,
  EMERGENCY_KIND,
  MAX_GROUPS,
  readWholeNumber,
  UNPRINTABLE_IN_NAMES,
} from '#session-core';

/** Controls, lone surrogates, line separators, and the mark that bytes leave that were no UTF-8. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/u;
/** The same, but a header may be folded over lines. */
const UNPRINTABLE_HEADER = /(?![\t\r\n])[\p{Cc}\p{Cs}\uFFFD]/u;

const GROUP = /^[a-z0-9-]{1,32}:/;
/** CSeq numbers are below 2^31 (RFC 3261 8.1.1.5). */
export const MAX_ATTEMPT = 2 ** 31 - 1;
/** A UTF-16 code unit takes at most so many bytes of UTF-8. */
const MAX_BYTES_OF_UNIT = 3;
const MAX_PORT = 65_535;
const MAX_ADDRESS_BYTES = 256;
const MAX_GROUP_NAME_BYTES = 128;
/** The longest duration that the configuration takes as well: 3,650 days. */
const MAX_TTL_SECONDS = 315_360_000;
/** Deeper than any metadata has reason to be, and far from what encoders of JSON refuse. */
const MAX_DEPTH = 32;

/** Printable text of 1 to `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number) {
  return checked((value) => (value === '' ? 'must not be empty' : flawOf(value, maxBytes, UNPRINTABLE)));
}

/** The value of a SIP header as it came. */
export function header(maxBytes: number) {
  return checked((value) => flawOf(value, maxBytes, UNPRINTABLE_HEADER));
}

/** One check a field: it is not asked where the type is wrong already, so that each field has one message, and zod's own are slower. */
function checked(flaw: (value: string) => string | null) {
  return z.string().superRefine((value, context) => {
    const message = flaw(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

function flawOf(value: string, maxBytes: number, unprintable: RegExp): string | null {
  const isTooLong = value.length * MAX_BYTES_OF_UNIT > maxBytes && Buffer.byteLength(value) > maxBytes;
  if (isTooLong) return `must be at most ${maxBytes} bytes of UTF-8`;
  return unprintable.test(value) ? 'must hold printable characters only' : null;
}

/** The id that the server gave: a Call-ID, for SIP. */
export const sessionId = () => text(256);

/** Larger for every new attempt of the same id; for SIP the CSeq number. */
export const attempt = () => wholeNumber(0, MAX_ATTEMPT);

export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z.number(expected).refine((value) => Number.isSafeInteger(value) && value >= min && value <= max, expected);
}

/** As `wholeNumber`, in the decimal digits of a query or of an answer that has it as text. */
export function digits(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const expected = `must be a whole number from ${min} to ${max}, in decimal digits`;
  return z.string(expected).transform((written, context) => {
    const number = readWholeNumber(written);
    if (number !== null && number >= min && number <= max) return number;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

export function listOf<T extends z.ZodType>(item: T, most: number) {
  return z.array(item).refine((items) => items.length <= most, `must be a list of at most ${most}`);
}

export const port = () => wholeNumber(0, MAX_PORT);
export const ttlSeconds = () => wholeNumber(1, MAX_TTL_SECONDS);

/** An address, host or destination in its one form, however it was written. */
function oneForm(canonical: (written: string) => string | null, expected: string) {
  return text(MAX_ADDRESS_BYTES).transform((written, context) => {
    const form = canonical(written);
    if (form !== null) return form;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

export const ipAddress = () =>
  oneForm(canonicalAddress, 'must be an IPv4 or IPv6 address without a zone, such as 192.0.2.7 or 2001:db8::7');

export const host = () =>
  oneForm(canonicalHost, 'must be an IP address or a host name, without a port, such as 2001:db8::7 or example.com');

export const destination = () =>
  oneForm(
    canonicalDestination,
    'must be a host with or without a port from 0 to 65535, such as example.com:443, 192.0.2.7:5060 or [2001:db8::7]:443',
  );

/** `kind:name`, such as `trunk:west`. */
export const group = () =>
  checked((value) => {
    if (!GROUP.test(value)) return 'must be kind:name, the kind of 1 to 32 of a-z, 0-9 and -';
    if (value !== EMERGENCY_GROUP && value.startsWith(`${EMERGENCY_KIND}:`)) {
      return 'must not be of the kind priority: say "priority": "emergency"';
    }
    const name = value.slice(value.indexOf(':') + 1);
    const isName = name !== '' && flawOf(name, MAX_GROUP_NAME_BYTES, UNPRINTABLE_IN_NAMES) === null;
    return isName ? null : `must have a printable name of 1 to ${MAX_GROUP_NAME_BYTES} bytes`;
  });

/** The groups of a session. The one of emergency sessions is theirs by priority; where an answer is sent back with it, it says nothing. */
export const groups = () =>
  z
    .array(group())
    .transform((names) => names.filter((name) => name !== EMERGENCY_GROUP))
    .refine((names) => names.length <= MAX_GROUPS, `must be a list of at most ${MAX_GROUPS}`)
    .default([]);

/**
 * Any JSON object that JSON can write as it is, in at most `maxBytes` bytes: its numbers finite (`1e999` is read as infinity), lists and
 * objects at most 32 deep, itself counted.
 */
export function jsonObject(maxBytes: number) {
  return z.record(z.string(), z.unknown()).superRefine((value, context) => {
    const message = unwritable(value) ?? tooLong(value, maxBytes);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

/** Looks level by level, so that no depth is too much for the stack. */
function unwritable(root: object): string | null {
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `must be nested at most ${MAX_DEPTH} deep`;
    const values = level.flatMap((container) => Object.values(container) as unknown[]);
    if (values.some((value) => typeof value === 'number' && !Number.isFinite(value)))
      return 'must hold finite numbers only';
    level = values.filter((value) => typeof value === 'object' && value !== null);
  }
  return null;
}

function tooLong(value: object, maxBytes: number): string | null {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes <= maxBytes ? null : `must be at most ${maxBytes} bytes when written as JSON`;
}
