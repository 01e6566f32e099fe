import type { AdmissionRequest } from '#session-core';

const STARTED_MS = 1_763_700_000_000;

/** A session as the calls of `/v1` show it: what one would store who keeps it as JSON, as it is. */
export function plainRecord({ sessionId, facts, policy, ...request }: AdmissionRequest) {
  const { attempt, user, node, epoch, state, groups, priority } = request;
  const startedAt = new Date(STARTED_MS).toISOString();
  const endsBy = new Date(STARTED_MS + policy.maxDurationMs).toISOString();
  const session = { id: sessionId, attempt, tenant: 'default', user, node, epoch, state, groups, priority };
  const times = { startedAt, lastActivityAt: startedAt, expiresAt: endsBy, endsBy };
  const totals = { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0, channels: [] };
  return { ...session, ...facts, ...times, ...totals };
}
