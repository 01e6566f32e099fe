import type { Logger } from '#service-kit';
import type { LimitAction, LimitScope } from '#session-core';

/** What a line about a session names. `peer` is the source as `address:port`, or null. */
export interface SessionEvent {
  sessionId: string;
  user: string;
  peer: string | null;
}

export interface LimitExceededEvent {
  username: string;
  currentSessions: number;
  maxSessions: number;
  action: LimitAction;
  callId: string;
  /** Which limit was full: its kind, and which of them; of a user's `username` says it. */
  scope: LimitScope;
  key: string;
}

export interface TerminatedOldestEvent {
  username: string;
  terminatedSession: string;
  newCallId: string;
}

/** The source of a session for the field `peer`. */
export function peerOf({
  sourceIp,
  sourcePort,
}: {
  sourceIp: string | null;
  sourcePort: number | null;
}): string | null {
  if (sourceIp === null || sourcePort === null) return sourceIp;
  return sourceIp.includes(':') ? `[${sourceIp}]:${sourcePort}` : `${sourceIp}:${sourcePort}`;
}

const plain = new WeakMap<Logger, Logger>();

/** The same log for lines of fields that are all named here, none of them a secret: looking for secrets in each was 3 % of a gateway's CPU. */
function withoutSecrets(logger: Logger): Logger {
  const known = plain.get(logger);
  if (known !== undefined) return known;
  const child = logger.child({}, { redact: [] });
  plain.set(logger, child);
  return child;
}

const fields = ({ sessionId, user, peer }: SessionEvent) => ({ session_id: sessionId, user, peer });

// The messages and field names below are what existing dashboards and alerts match on.

export function logSessionCreated(logger: Logger, event: SessionEvent): void {
  withoutSecrets(logger).info(fields(event), 'Session created');
}

export function logSessionAuthenticated(logger: Logger, event: SessionEvent): void {
  withoutSecrets(logger).info(fields(event), 'Session authenticated');
}

/** `epoch` is null for a node that is not watched. */
export function logSessionTransferred(
  logger: Logger,
  event: SessionEvent,
  to: { node: string; epoch: number | null },
): void {
  withoutSecrets(logger).info({ ...fields(event), ...to }, 'Session transferred');
}

export function logSessionRemoved(logger: Logger, event: SessionEvent): void {
  withoutSecrets(logger).info(fields(event), 'Session removed');
}

export function logIdleSessionTerminated(logger: Logger, event: SessionEvent): void {
  withoutSecrets(logger).info(fields(event), 'Terminating idle session');
}

/** `by`: the key or person that had it ended. */
export function logSessionKilled(logger: Logger, event: SessionEvent, by: string): void {
  withoutSecrets(logger).info({ ...fields(event), by }, 'Session killed by admin');
}

export function logLimitExceeded(logger: Logger, event: LimitExceededEvent): void {
  const { username, currentSessions, maxSessions, action, callId, scope, key } = event;
  withoutSecrets(logger).info(
    {
      username,
      current_sessions: currentSessions,
      max_sessions: maxSessions,
      action,
      call_id: callId,
      scope,
      ...(scope !== 'user' && { key }),
    },
    'Session limit exceeded',
  );
}

export function logTerminatedOldest(logger: Logger, event: TerminatedOldestEvent): void {
  const { username, terminatedSession, newCallId } = event;
  withoutSecrets(logger).info(
    { username, terminated_session: terminatedSession, new_call_id: newCallId },
    'Terminated oldest session for new call',
  );
}
