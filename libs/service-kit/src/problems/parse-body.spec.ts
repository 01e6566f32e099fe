import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { parseBody, unknownFields } from './parse-body.js';
import { ProblemException } from './problem.js';

const schema = z.object({
  id: z.string(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  channels: z.array(z.object({ type: z.enum(['session', 'tunnel']), port: z.int().optional() })).default([]),
});

function errorsOf(body: unknown): unknown {
  try {
    return parseBody(schema, body);
  } catch (error) {
    if (!(error instanceof ProblemException)) throw error;
    expect(error.code).toBe('invalid-request');
    return error.members['errors'];
  }
}

describe('a body', () => {
  it('is given as the schema has it, an empty one as {}', () => {
    expect(parseBody(schema, { id: 'a', more: 1 })).toEqual({ id: 'a', channels: [] });
    expect(parseBody(z.object({}), undefined)).toEqual({});
  });

  it('is refused with a path and a message for every failing field', () => {
    expect(errorsOf({ channels: [{ type: 'session' }, { type: 'x', port: 1.5 }] })).toEqual([
      { path: 'id', message: 'is required: expected string' },
      { path: 'channels[1].type', message: 'Invalid option: expected one of "session"|"tunnel"' },
      { path: 'channels[1].port', message: 'expected int, received number' },
    ]);
    expect(errorsOf(null)).toEqual([{ path: 'the body', message: 'expected object, received null' }]);
  });

  it('has its unknown fields named at any depth that the schema describes', () => {
    const body = {
      id: 'a',
      colour: 1,
      metadata: { any: 1 },
      channels: [{ type: 'session' }, { type: 'session', host: 'h' }],
    };
    expect(unknownFields(schema, body)).toEqual(['colour', 'channels[1].host']);
    expect(unknownFields(schema, { constructor: 1, toString: 1 })).toEqual(['constructor', 'toString']);
    expect(unknownFields(schema, 'text')).toEqual([]);
  });

  it('is not repeated at length to a caller that sends nonsense', () => {
    const body = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`field-${index}-${'x'.repeat(500)}`, index]),
    );
    const names = unknownFields(schema, body);
    expect(names).toHaveLength(50);
    expect(Math.max(...names.map((name) => name.length))).toBeLessThan(70);
  });
});
