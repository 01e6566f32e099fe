import { describe, expect, it } from '@jest/globals';

import { createLogger } from '#service-kit';

import { logLimitExceeded, logSessionCreated, logTerminatedOldest, peerOf } from './session-log.js';

type Line = Record<string, unknown>;

function logTo(lines: Line[]) {
  const logging = { level: 'trace', hashUsers: false, hashKey: null } as const;
  return createLogger({ logging }, 'test', { write: (line) => void lines.push(JSON.parse(line) as Line) });
}

describe('the lines about sessions', () => {
  it('name a full limit with its numbers', () => {
    const lines: Line[] = [];
    logLimitExceeded(logTo(lines), {
      username: 'alice',
      currentSessions: 5,
      maxSessions: 5,
      action: 'reject',
      callId: 'abc123',
      scope: 'user',
      key: 'alice',
    });
    expect(lines).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: 'info',
        app: 'test',
        message: 'Session limit exceeded',
        username: 'alice',
        current_sessions: 5,
        max_sessions: 5,
        action: 'reject',
        call_id: 'abc123',
        scope: 'user',
      },
    ]);
  });

  it('use the words that dashboards match on', () => {
    const lines: Line[] = [];
    const logger = logTo(lines);
    logSessionCreated(logger, {
      sessionId: 's',
      user: 'alice',
      peer: peerOf({ sourceIp: '192.0.2.1', sourcePort: 5060 }),
    });
    logTerminatedOldest(logger, { username: 'bob', terminatedSession: 'old', newCallId: 'new' });
    expect(lines).toMatchObject([
      { message: 'Session created', session_id: 's', user: 'alice', peer: '192.0.2.1:5060' },
      {
        message: 'Terminated oldest session for new call',
        username: 'bob',
        terminated_session: 'old',
        new_call_id: 'new',
      },
    ]);
  });

  it('write addresses of IPv6 in brackets', () => {
    expect(peerOf({ sourceIp: '2001:db8::1', sourcePort: 5060 })).toBe('[2001:db8::1]:5060');
    expect(peerOf({ sourceIp: null, sourcePort: null })).toBeNull();
  });
});
