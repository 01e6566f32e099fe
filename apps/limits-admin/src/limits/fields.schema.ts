import { z } from 'zod';

import { DAY_MS } from '#basics';
import { parseDurationMs } from '#config';
import { LIMIT_ACTIONS, limitTarget, readWholeNumber } from '#session-core';

const MAX_LIMIT = 1_000_000_000;
const MAX_REASON_BYTES = 1_024;
const MAX_KEY_BYTES = 512;
const MAX_PER_SECOND = 10_000;
const MAX_BURST = 100_000;
const MAX_TEMPORARY_DAYS = 366;

export const expecting = (expected: string) => ({ error: () => `must be ${expected}` });

/** Zero or below is unlimited and is kept as 0. */
export function limit() {
  const expected = expecting(`a whole number up to ${MAX_LIMIT}; 0 or below for unlimited`);
  return z
    .int(expected)
    .max(MAX_LIMIT, expected)
    .transform((value) => Math.max(0, value))
    .describe('0 or below: unlimited');
}

/** With a `+` and blanks around it, as those callers may have written it. */
const digits = (value: unknown) =>
  typeof value === 'string' ? (readWholeNumber(value.trim().replace(/^\+(?=\d)/, '')) ?? value) : value;

/** As `limit`; digits in a string are taken too, as callers of the single limits have always sent them. */
export const limitOrDigits = () => z.preprocess(digits, limit()).describe('0 or below: unlimited');

export const flag = () => z.boolean(expecting('true or false'));
export const action = () =>
  z
    .enum(LIMIT_ACTIONS, expecting(LIMIT_ACTIONS.map((word) => `"${word}"`).join(' or ')))
    .describe('What happens where the limit is full');

/** Calls per second with bursts; null for none. */
export function rate() {
  const perSecond = expecting(`a number above 0, up to ${MAX_PER_SECOND}`);
  const burst = expecting(`a whole number from 1 to ${MAX_BURST}`);
  return z
    .object(
      {
        per_second: z.number(perSecond).positive(perSecond).max(MAX_PER_SECOND, perSecond),
        burst: z.int(burst).min(1, burst).max(MAX_BURST, burst),
      },
      expecting('{"per_second": …, "burst": …} or null'),
    )
    .transform((written) => ({ perSecond: written.per_second, burst: written.burst }))
    .nullable()
    .describe('Admissions per second, so many of them at once; null for none');
}

/** Places that only the sessions of a group may take; null for none. */
export function reserve() {
  const group = expecting('a group, kind:name');
  const places = expecting(`a whole number from 1 to ${MAX_LIMIT}`);
  return z
    .object(
      {
        group: z.string(group).refine((value) => limitTarget(`group:${value}`) !== null, group),
        places: z.int(places).min(1, places).max(MAX_LIMIT, places),
      },
      expecting('{"group": …, "places": …} or null'),
    )
    .nullable()
    .describe('Places that only the sessions of a group may take; null for none');
}

/** The name of a limit: `user`, `user:alice`, `class:gold`, `total`, `kind:trunk`, `group:trunk:west`, `ip`. */
export function limitKey() {
  const expected = expecting(
    'the name of a limit: user, user:NAME, class:NAME, total, kind:KIND, group:KIND:NAME or ip',
  );
  return z
    .string(expected)
    .refine((value) => Buffer.byteLength(value) <= MAX_KEY_BYTES && limitTarget(value) !== null, expected);
}

export function className() {
  const expected = expecting('the name of a class: 1 to 32 of a-z, 0-9 and -');
  return z.string(expected).regex(/^[a-z0-9-]{1,32}$/, expected);
}

/** Free text; a sentence that says why. */
export function reason() {
  const expected = expecting(`text of at most ${MAX_REASON_BYTES} bytes`);
  return z
    .string(expected)
    .refine((value) => Buffer.byteLength(value) <= MAX_REASON_BYTES, expected)
    .nullish()
    .describe('Why: kept with the limit, and in log and event');
}

/** What happens to sessions above a limit that is lowered: they end by themselves, or at once. */
export const ON_LOWER = ['drain', 'trim_now'] as const;
export type OnLower = (typeof ON_LOWER)[number];

export const onLower = () =>
  z
    .enum(ON_LOWER, expecting('"drain" or "trim_now"'))
    .describe('Sessions above a lowered limit end by themselves (drain), or at once (trim_now)');

/** What every change may say of itself. */
export const changeFields = { reason: reason(), on_lower: onLower().default('drain') };

/** Body of a change that has nothing else to say. */
export const changeBody = z.object(changeFields);

/** How long a temporary limit holds, milliseconds: seconds or `15m`, `2h`, `7d`. */
function temporaryDuration() {
  const expected = `a duration from 1 s to ${MAX_TEMPORARY_DAYS} d, in seconds or as 15m, 2h, 7d`;
  return z
    .union([z.number(), z.string()], expecting(expected))
    .transform((written, context) => {
      const ms = parseDurationMs(written);
      if (ms !== null && ms >= 1_000 && ms <= MAX_TEMPORARY_DAYS * DAY_MS) return ms;
      context.addIssue({ code: 'custom', message: `must be ${expected}` });
      return z.NEVER;
    })
    .describe('How long: seconds, or written as 15m, 2h, 7d');
}

/** Body of `POST …/temporary-limit`. */
export const temporaryLimitBody = z.object({ limit: limitOrDigits(), duration: temporaryDuration(), ...changeFields });
