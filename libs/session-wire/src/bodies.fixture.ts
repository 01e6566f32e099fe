import type { z } from 'zod';

import { EVENT_SCHEMAS } from './events.schema.js';
import { activityBody, admissionBody, confirmBody, endBody, heartbeatBody, leaveBody, snapshotBody } from './index.js';

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

/** Every schema of what servers send, with a body that has all of its fields. */
export const BODIES: [name: string, schema: z.ZodType, body: Record<string, unknown>][] = [
  ['an admission', admissionBody, ADMISSION],
  ['a confirmation', confirmBody, { sessionId: 'a', attempt: 1 }],
  ['activity', activityBody, ACTIVITY],
  ['an end', endBody, END],
  ['a beat', heartbeatBody, { epoch: 1, activeSessions: 3 }],
  ['a snapshot', snapshotBody, SNAPSHOT],
  ['a leave', leaveBody, { epoch: 1 }],
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
