import { describe, expect, it } from '@jest/globals';

import { parseBody } from '#service-kit';

import { BODIES } from './bodies.fixture.js';
import { typedFields } from './event-fields.js';
import { EVENT_SCHEMAS, EVENT_TYPES } from './events.schema.js';

/** As a server adds it to a stream: text alone. */
function asInStream(event: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(event).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

describe('the fields of an event', () => {
  it.each(EVENT_TYPES)('of type %s are read from a stream as they are from JSON, every one', (type) => {
    const schema = EVENT_SCHEMAS[type];
    const [, , event = {}] = BODIES.find(([name]) => name === type) ?? [];
    expect(Object.keys(event).toSorted()).toEqual(Object.keys(schema.shape).toSorted());
    expect(parseBody(schema, typedFields(asInStream(event)))).toEqual(parseBody(schema, event));
  });
});
