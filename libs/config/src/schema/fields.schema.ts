import { z } from 'zod';

import { MAX_DURATION_MS, parseDurationMs } from '../duration.js';

/** What the reference table and the messages know of a setting besides its type. */
export interface SettingInfo {
  text: string;
  unit?: string;
  /** Where the default does not come from the schema itself. */
  default?: unknown;
  /** Never quoted in a message. */
  secret?: boolean;
}

/** Adds what the reference table says of a setting. Goes last: zod binds it to this very instance. */
export function setting<T extends z.ZodType>(schema: T, about: SettingInfo): T {
  const { text: description, ...info } = about;
  return schema.meta({ description, ...info });
}

/** The message of every leaf is what was expected; the loader adds the path and what was found. */
const expecting = (expected: string) => ({ error: () => expected });

/** A whole value that came from the environment is text; where a number is wanted, digits are one. */
function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value;
}

export function wholeNumber(min: number, max: number) {
  const expected = expecting(`a whole number from ${min} to ${max}`);
  return z.preprocess(numeric, z.int(expected).min(min, expected).max(max, expected));
}

/** A limit: zero or below is unlimited and becomes 0. */
export function limit() {
  const max = 1_000_000_000;
  const expected = expecting(`a whole number up to ${max}; 0 or below for unlimited`);
  return z.preprocess(numeric, z.int(expected).max(max, expected)).transform((value) => Math.max(0, value));
}

/** A rate: zero or below is none and becomes 0. Slower than once a day, and faster than a server can ask, is a slip. */
export function callsPerSecond() {
  const [least, most] = [0.00001, 10_000];
  const expected = expecting(`a number from 0.00001 to ${most}; 0 or below for no rate`);
  return z
    .preprocess(
      numeric,
      z
        .number(expected)
        .max(most, expected)
        .refine((value) => value <= 0 || value >= least, expected),
    )
    .transform((value) => Math.max(0, value));
}

export function share() {
  const expected = expecting('a share from 0 to 1');
  return z.preprocess(numeric, z.number(expected).min(0, expected).max(1, expected));
}

export function flag() {
  const words = new Map<unknown, boolean>([
    ['true', true],
    ['false', false],
  ]);
  return z.preprocess((value) => words.get(value) ?? value, z.boolean(expecting('true or false')));
}

export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  const quoted = words.map((word) => `"${word}"`);
  return z.enum(
    words,
    expecting(quoted.length === 1 ? quoted.join() : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`),
  );
}

export function text(expected: string, pattern: RegExp = /^.+$/s) {
  return z.string(expecting(expected)).regex(pattern, expecting(expected));
}

export const port = () => wholeNumber(0, 65_535);

/** A duration in milliseconds, written in seconds or with a unit; it must be longer than zero. */
export const duration = () =>
  durationFrom(1, MAX_DURATION_MS, 'a duration above zero, in seconds or as 15m, 2h, 7d, at most 3650d');

/** As `duration`, for what a timer waits for. */
export const durationUpTo = (maxHours: number) =>
  durationFrom(1, maxHours * 3_600_000, `a duration above zero, in seconds or as 15m, 2h, at most ${maxHours}h`);

/** As `duration`, but zero or below switches off and becomes 0. */
export const durationOrOff = () =>
  durationFrom(
    -Infinity,
    MAX_DURATION_MS,
    'a duration in seconds or as 15m, 2h, 7d; 0 or below for none, at most 3650d',
  );

/** As `durationOrOff`, for what somebody waits for. */
export const waitOrOff = (maxMinutes: number) =>
  durationFrom(
    -Infinity,
    maxMinutes * 60_000,
    `a duration in seconds or as 500ms, 2m; 0 or below for none, at most ${maxMinutes}m`,
  );

function durationFrom(minMs: number, maxMs: number, expected: string) {
  return z.unknown().transform((written, context) => {
    const ms = parseDurationMs(written);
    if (ms !== null && ms >= minMs && ms <= maxMs) return Math.max(0, ms);
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

/** A mapping that knows all of its keys. */
export function section<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, expecting('a mapping'));
}

/** A mapping from names to values. */
export function mapOf<V extends z.ZodType>(value: V, nameExpected: string, namePattern: RegExp) {
  return z.record(z.string().regex(namePattern, expecting(nameExpected)), value, expecting('a mapping'));
}
