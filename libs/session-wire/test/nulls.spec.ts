import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';

import { parseBody } from '#service-kit';

import { EVENT_SCHEMAS } from '../src/events.schema.js';
import { activityBody, admissionBody, confirmBody, endBody, heartbeatBody, snapshotBody } from '../src/index.js';

const CHANNEL = { id: '1', type: 'direct-tcpip', host: 'db', port: 5_432, openedAt: '2026-11-21T03:03:31.597Z' };
const TOTALS = { bytesSent: 1, bytesReceived: 2, packetsSent: 3, packetsReceived: 4 };
const ADMISSION = {
  sessionId: 'a',
  attempt: 2,
  from: 'sip:alice@example.com',
  assertedIdentity: 'sip:alice@example.com',
  user: 'alice',
  to: 'sip:bob@example.com',
  node: 'b2bua-1',
  epoch: 1,
  userClass: 'gold',
  sourceIp: '192.0.2.1',
  sourcePort: 5_060,
  destination: '198.51.100.7:5060',
  protocol: 'ssh',
  direction: 'inbound',
  correlationId: 'c',
  groups: ['trunk:west'],
  state: 'reserved',
  priority: 'normal',
  ttlSeconds: 60,
  units: 1,
  metadata: { kept: null, deep: [{ also: null }] },
};
const HELD = {
  id: 'a',
  attempt: 1,
  user: 'alice',
  groups: ['trunk:west'],
  startedAt: '2026-11-21T03:03:31.597Z',
  state: 'active',
};
const ENVELOPE = { v: 1, id: 'e', tenant: 'default', at: 1, arrivedAt: 1 };
const SNAPSHOT = { epoch: 1, mark: '7', part: 1, parts: 1, sessions: [HELD, HELD], none: false };
const ACTIVITY = { sessionId: 'a', attempt: 1, ...TOTALS, channels: [CHANNEL, CHANNEL] };
const END = { sessionId: 'a', attempt: 1, ...TOTALS, reason: 'bye' };

/** Every schema of what servers say, with a body that says all of it. */
const SAID: [name: string, schema: z.ZodType, body: Record<string, unknown>][] = [
  ['an admission', admissionBody, ADMISSION],
  ['a confirmation', confirmBody, { sessionId: 'a', attempt: 1 }],
  ['activity', activityBody, ACTIVITY],
  ['an end', endBody, END],
  ['a beat', heartbeatBody, { epoch: 1, activeSessions: 3 }],
  ['a snapshot', snapshotBody, SNAPSHOT],
  ['session.started', EVENT_SCHEMAS['session.started'], { ...ENVELOPE, ...ADMISSION }],
  ['session.activity', EVENT_SCHEMAS['session.activity'], { ...ENVELOPE, ...ACTIVITY, user: 'alice' }],
  ['session.ended', EVENT_SCHEMAS['session.ended'], { ...ENVELOPE, ...END, user: 'alice' }],
  [
    'session.rejected',
    EVENT_SCHEMAS['session.rejected'],
    {
      ...ENVELOPE,
      sessionId: 'a',
      user: 'alice',
      rule: 'r',
      decision: 'block',
      sourceIp: '192.0.2.1',
      sourcePort: 1,
      destination: 'h',
      protocol: 'socks5',
    },
  ],
  ['node.heartbeat', EVENT_SCHEMAS['node.heartbeat'], { ...ENVELOPE, node: 'b2bua-1', epoch: 1, activeSessions: 3 }],
  ['node.snapshot', EVENT_SCHEMAS['node.snapshot'], { ...ENVELOPE, node: 'b2bua-1', ...SNAPSHOT }],
];

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
  it.each(SAID)('in any fields of %s', (_name, schema, body) => {
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
