import type { LimitState } from '#session-core';
import type { SessionView, UnreadableView } from '#session-wire';

import type { admittedJson } from '../sessions/decision.mapper.js';
import { enumOf, objectOf, structOf, timeOf, timestampOf, wordOf, type Struct } from './values.mapper.js';

/** A message as it came: its fields by their JSON names. */
export type Message = Record<string, unknown>;

/** Requests as bodies of `/v1`. */

export function admissionBodyOf({ state, priority, direction, metadata, ...fields }: Message): Message {
  return {
    ...fields,
    state: wordOf('SESSION_STATE', state),
    priority: wordOf('PRIORITY', priority),
    direction: wordOf('DIRECTION', direction),
    metadata: metadata === undefined ? undefined : objectOf(metadata as Struct),
  };
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

export function sessionMessage(view: SessionView | UnreadableView): Message {
  const { channels, metadata, endedAt, ...rest } = view as Partial<SessionView>;
  return {
    ...rest,
    state: enumOf('SESSION_STATE', view.state),
    priority: enumOf('PRIORITY', view.priority),
    direction: enumOf('DIRECTION', view.direction),
    startedAt: timestampOf(view.startedAt),
    lastActivityAt: timestampOf(view.lastActivityAt),
    expiresAt: timestampOf(view.expiresAt),
    endsBy: timestampOf(view.endsBy),
    endedAt: timestampOf(endedAt),
    channels: channels?.map(({ type, openedAt, ...channel }) => ({
      ...channel,
      type: enumOf('CHANNEL_TYPE', type),
      openedAt: timestampOf(openedAt),
    })),
    metadata: metadata ? structOf(metadata) : null,
  };
}

export function admittedMessage(answer: ReturnType<typeof admittedJson>, replayed: boolean): Message {
  const { session, limits, terminated, policyVersion, warnings } = answer;
  return {
    session: sessionMessage(session),
    limits: limits.map(limitMessage),
    terminated: terminated.map(({ id, node, startedAt }) => ({ id, node, startedAt: timestampOf(startedAt) })),
    policyVersion,
    replayed,
    warnings,
  };
}

export function limitMessage(limit: LimitState): Message {
  return { ...limit };
}
