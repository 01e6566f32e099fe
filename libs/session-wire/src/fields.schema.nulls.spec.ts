import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { z } from 'zod';

import { parseBody } from '#service-kit';

import { admissionBody, snapshotBody } from './index.js';
import { BODIES } from './bodies.fixture.js';

/** The paths of all fields of a body, but not of what callers carry along: that is theirs. */
function fieldsOf(value: unknown, at: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null || at.at(-1) === 'metadata') return [];
  const isList = Array.isArray(value);
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = [...at, isList ? Number(name) : name];
    return [...(isList ? [] : [path]), ...fieldsOf(inner, path)];
  });
}

/** The body with these fields as null, or without them. */
function changed(body: object, paths: (string | number)[][], how: 'null' | 'absent'): unknown {
  const copy = structuredClone(body);
  for (const path of paths.toSorted((a, b) => b.length - a.length)) {
    const holder = path.slice(0, -1).reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], copy);
    if (how === 'null') (holder as Record<string, unknown>)[path.at(-1) ?? ''] = null;
    else delete (holder as Record<string, unknown>)[path.at(-1) ?? ''];
  }
  return copy;
}

function outcome(schema: z.ZodType, body: unknown): unknown {
  try {
    return { parsed: parseBody(schema, body) };
  } catch (error) {
    return { refused: (error as { members: unknown }).members };
  }
}

describe('null equals absent', () => {
  it.each(BODIES)('in any fields of %s', (_name, schema, body) => {
    expect(outcome(schema, body)).toHaveProperty('parsed');
    fc.assert(
      fc.property(fc.subarray(fieldsOf(body)), (paths) => {
        expect(outcome(schema, changed(body, paths, 'null'))).toEqual(outcome(schema, changed(body, paths, 'absent')));
      }),
    );
  });

  it('not in a list, and not in what is carried along', () => {
    expect(outcome(admissionBody, { groups: [null] })).toHaveProperty('refused');
    expect(outcome(snapshotBody, { epoch: 1, mark: 1, sessions: [null] })).toHaveProperty('refused');
    expect(outcome(admissionBody, { node: null, metadata: { kept: null } })).toMatchObject({
      parsed: { metadata: { kept: null } },
    });
  });
});

describe('the mark of a snapshot', () => {
  it.each(['0x10', '1e3', '1e12', '', ' 5', '+5', '5.0', '-5', 'Infinity', '0b1', [5], true, {}, 1.5, -1])(
    'is decimal digits, not %j',
    (mark) => {
      expect(outcome(snapshotBody, { epoch: 1, mark })).toEqual({
        refused: {
          errors: [{ path: 'mark', message: expect.stringMatching(/^must be (the mark of|a whole number)/) }],
        },
      });
    },
  );

  it('is taken as an answer has it, and as a number', () => {
    for (const mark of ['1763700000000', 1_763_700_000_000]) {
      expect(outcome(snapshotBody, { epoch: 1, mark })).toMatchObject({ parsed: { mark: 1_763_700_000_000 } });
    }
  });
});
