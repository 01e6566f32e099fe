import { InvalidInputError, readWholeNumber } from '#session-core';

/** An event as it came: flat text from a stream, or JSON from HTTP. */
export type RawEvent = Readonly<Record<string, unknown>>;

const NUMBERS = new Set(
  'v at arrivedAt attempt epoch sourcePort ttlSeconds units activeSessions part parts bytesSent bytesReceived packetsSent packetsReceived'.split(
    ' ',
  ),
);
const JSONS = new Set(['groups', 'metadata', 'channels', 'sessions', 'limits', 'none']);

/**
 * The fields of an event with their types: a stream carries only text, in which numbers are decimal and lists and objects JSON.
 * What has its type already stays as it is. Throws InvalidInputError for text that is no JSON where JSON belongs.
 */
export function typedFields(event: RawEvent): Record<string, unknown> {
  return Object.fromEntries(Object.entries(event).map(([name, value]) => [name, typed(name, value)]));
}

function typed(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (NUMBERS.has(name)) return readWholeNumber(value) ?? value;
  return JSONS.has(name) ? parsed(name, value) : value;
}

function parsed(name: string, value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw new InvalidInputError(name, 'must be JSON');
  }
}
