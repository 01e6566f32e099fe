import { describe, expect, it } from '@jest/globals';

import type { EndedSession, Session } from '#session-core';

import { sessionView } from './session.view.js';

const session: Session = {
  id: 'call@host',
  attempt: 2,
  tenant: 'default',
  user: 'alice',
  node: null,
  epoch: null,
  state: 'reserved',
  from: null,
  to: null,
  sourceIp: '192.0.2.1',
  sourcePort: 5060,
  destination: null,
  protocol: 'sip',
  direction: null,
  correlationId: null,
  groups: ['trunk:west'],
  priority: 'normal',
  startedAtMs: 0,
  lastActivityAtMs: 1_763_700_000_001,
  expiresAtMs: null,
  endsByMs: 1_763_700_000_000,
  bytesSent: 1,
  bytesReceived: 2,
  packetsSent: 3,
  packetsReceived: 4,
  channels: [],
  metadata: { a: 1 },
};

describe('sessionView', () => {
  it('has times as RFC 3339, null where there is none, and no name of the inside', () => {
    const shown = sessionView(session);
    expect(shown).toMatchObject({
      startedAt: '1970-01-01T00:00:00.000Z',
      lastActivityAt: '2025-11-21T04:40:00.001Z',
      expiresAt: null,
      endsBy: '2025-11-21T04:40:00.000Z',
      authenticated: true,
    });
    expect(Object.keys(shown).filter((name) => name.endsWith('Ms') || name.startsWith('end'))).toEqual(['endsBy']);
  });

  it('says of an ended one that it ended, when and why', () => {
    const ended: EndedSession = {
      ...session,
      endedAtMs: 1_000,
      endReason: 'killed',
      note: 'fraud',
      endedBy: 'ops',
      whole: true,
    };
    expect(sessionView(ended)).toMatchObject({
      state: 'ended',
      endedAt: '1970-01-01T00:00:01.000Z',
      endReason: 'killed',
    });
  });

  it('lacks what the tombstone of a final ending does not keep, and shows the rest', () => {
    const ended: EndedSession = {
      ...session,
      endedAtMs: 1_000,
      endReason: 'killed',
      note: null,
      endedBy: null,
      whole: false,
    };
    const shown = Object.keys(sessionView(ended));
    expect(shown).toEqual(
      expect.arrayContaining(['id', 'user', 'node', 'bytesSent', 'startedAt', 'endedAt', 'endReason']),
    );
    for (const gone of ['from', 'to', 'sourceIp', 'destination', 'protocol', 'groups', 'channels', 'metadata']) {
      expect(shown).not.toContain(gone);
    }
  });

  it('shows nobody as null', () => {
    expect(sessionView({ ...session, user: '' })).toMatchObject({ user: null, authenticated: false });
  });
});
