import type { SessionView, UnreadableView } from '#session-wire';

import type { admittedJson } from '../sessions/decision.mapper.js';
import { enumOf, objectOf, structOf, timeOf, timestampOf, wordOf, type Struct } from './values.mapper.js';

/** A message as it came: its fields by their JSON names. */
export type Message = Record<string, unknown>;

/** Requests as bodies of `/v1`. */

/** Changes the message itself: it is read once, and a copy of all its fields took as long as its decoding ten times over. */
export function admissionBodyOf(message: Message): Message {
  const { state, priority, direction, metadata } = message;
  if (state !== undefined) message['state'] = wordOf('SESSION_STATE', state);
  if (priority !== undefined) message['priority'] = wordOf('PRIORITY', priority);
  if (direction !== undefined) message['direction'] = wordOf('DIRECTION', direction);
  if (metadata !== undefined) message['metadata'] = objectOf(metadata as Struct);
  return message;
}

export function activityBodyOf({ channels, ...fields }: Message): Message {
  const open = (channels as Message[] | undefined)?.map(({ type, openedAt, ...channel }) => ({
    ...channel,
    type: wordOf('CHANNEL_TYPE', type),
    openedAt: timeOf(openedAt as object | undefined),
  }));
  return { ...fields, channels: open };
}

export function snapshotBodyOf({ sessions, ...fields }: Message): Message {
  const held = (sessions as Message[] | undefined)?.map(({ state, startedAt, ...session }) => ({
    ...session,
    state: wordOf('SESSION_STATE', state),
    startedAt: timeOf(startedAt as object | undefined),
  }));
  return { ...fields, sessions: held };
}

export function ackBodyOf({ result, cause }: Message): Message {
  return { result: wordOf('COMMAND_RESULT', result), cause };
}

/** Answers of `/v1` as messages. */

/** Written out: with spreads it took 6 µs, half of all that gRPC adds to an answer. */
export function sessionMessage(view: SessionView | UnreadableView): Message {
  // What a tombstone does not keep is absent.
  const { channels, metadata, endedAt, endReason } = view as Partial<SessionView>;
  return {
    id: view.id,
    attempt: view.attempt,
    tenant: view.tenant,
    user: view.user,
    node: view.node,
    epoch: view.epoch,
    state: enumOf('SESSION_STATE', view.state),
    from: view.from,
    to: view.to,
    sourceIp: view.sourceIp,
    sourcePort: view.sourcePort,
    destination: view.destination,
    protocol: view.protocol,
    direction: enumOf('DIRECTION', view.direction),
    correlationId: view.correlationId,
    groups: view.groups,
    priority: enumOf('PRIORITY', view.priority),
    authenticated: view.authenticated,
    startedAt: timestampOf(view.startedAt),
    lastActivityAt: timestampOf(view.lastActivityAt),
    expiresAt: timestampOf(view.expiresAt),
    endsBy: timestampOf(view.endsBy),
    bytesSent: view.bytesSent,
    bytesReceived: view.bytesReceived,
    packetsSent: view.packetsSent,
    packetsReceived: view.packetsReceived,
    channels: channels?.map(({ type, openedAt, ...channel }) => ({
      ...channel,
      type: enumOf('CHANNEL_TYPE', type),
      openedAt: timestampOf(openedAt),
    })),
    metadata: metadata ? structOf(metadata) : null,
    endedAt: timestampOf(endedAt),
    endReason,
  };
}

export function admittedMessage(answer: ReturnType<typeof admittedJson>, replayed: boolean): Message {
  const { session, limits, terminated, policyVersion, warnings } = answer;
  return {
    session: sessionMessage(session),
    limits,
    terminated: terminated.map(({ id, node, startedAt }) => ({ id, node, startedAt: timestampOf(startedAt) })),
    policyVersion,
    replayed,
    warnings,
  };
}
