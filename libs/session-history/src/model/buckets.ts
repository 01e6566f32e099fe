import { DAY_MS, HOUR_MS } from '#basics';

import { timeText } from './row.js';

/** The widths that sums are kept in, hours; 0 is everything. */
export const HOUR = 1;
export const DAY = 24;
export const EVER = 0;

/** `2026-11-20T10`: the hour of a time as the table has it. */
export const hourOf = (time: string): string => time.slice(0, 13);
/** `2026-11-20`. */
export const dayOf = (time: string): string => time.slice(0, 10);

let lastHour = { number: Number.NaN, text: '' };

/** The hour of a moment in milliseconds. Most are in the hour of the one before. */
export function hourAt(ms: number): string {
  const number = Math.floor(ms / HOUR_MS);
  if (number !== lastHour.number) lastHour = { number, text: hourOf(timeText(ms)) };
  return lastHour.text;
}

export function hourMs(bucket: string): number {
  return Date.parse(`${bucket}:00:00.000Z`);
}

/**
 * How a window that began at `sinceMs` and goes on is put together: single rows up to `firstHour`, whole hours up to `firstDay`, whole days
 * from there on. Each piece is a range of text.
 */
export interface Window {
  since: string;
  /** Where the rows by themselves end. */
  rowsUntil: string;
  firstHour: string;
  firstDay: string;
  /** The hours before the first whole day, for a comparison with hours. */
  hoursUntil: string;
}

export function windowSince(sinceMs: number): Window {
  const hour = Math.ceil(sinceMs / HOUR_MS) * HOUR_MS;
  const day = Math.ceil(sinceMs / DAY_MS) * DAY_MS;
  return {
    since: timeText(sinceMs),
    rowsUntil: timeText(hour),
    firstHour: hourOf(timeText(hour)),
    firstDay: dayOf(timeText(day)),
    hoursUntil: hourOf(timeText(day)),
  };
}
