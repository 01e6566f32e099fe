import type { SessionView, UnreadableView } from '#session-wire';

import { timestampOf } from './values.mapper.js';

/** A session as `b2bua.v1` shows it; what a tombstone does not keep is absent. */
export type CallView = SessionView | UnreadableView;

const STATUS = {
  reserved: 'CALL_STATUS_RINGING',
  active: 'CALL_STATUS_CONNECTED',
  ended: 'CALL_STATUS_TERMINATED',
  unreadable: 'CALL_STATUS_UNSPECIFIED',
} as const;

/** `b2bua.v1.ActiveCallInfo`. */
export function callMessage(call: CallView) {
  const status = STATUS[call.state];
  const { host, port } = partsOf(call.destination);
  const leg = (name: Leg, remoteUri: string, localUri: string) => ({
    legId: legId(call.id, name),
    remoteUri,
    localUri,
    callState: status,
  });
  const [from, to] = [call.from ?? '', call.to ?? ''];
  return {
    callId: call.id,
    fromUri: from,
    toUri: to,
    status,
    startTime: timestampOf(call.startedAt),
    lastActivity: timestampOf(call.lastActivityAt),
    aLeg: { ...leg('a', from, to), remoteIp: call.sourceIp ?? '', remotePort: call.sourcePort ?? 0 },
    bLeg: { ...leg('b', to, from), remoteIp: host, remotePort: port },
  };
}

/** Towards the caller: `a`; towards the called: `b`. */
type Leg = 'a' | 'b';

export const legId = (callId: string, leg: Leg): string => `${callId}/${leg}`;

/** Of a destination in canonical form: `192.0.2.1:5060`, `[2001:db8::1]:5060`, or a host alone. */
function partsOf(destination: string | null | undefined): { host: string; port: number } {
  const [, host = '', port = '0'] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(destination ?? '') ?? [];
  return { host, port: Number(port) };
}
