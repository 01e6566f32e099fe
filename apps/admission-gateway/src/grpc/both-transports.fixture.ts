import { PROBLEMS, type ProblemCode } from '#service-kit';

import type { Gateway } from '../gateway.fixture.js';
import { detailsOf, type GrpcAnswer, type GrpcClient } from './grpc.fixture.js';
import { objectOf, timeOf, wordOf, type Struct } from './values.mapper.js';

type Fields = Record<string, unknown>;

/** What a call came to, in the words of HTTP whatever its transport. */
export interface Outcome {
  /** `ok`, or the code of the problem. */
  code: string;
  /** Of an answer its members, of a problem what is said besides the sentence. */
  says: Fields;
}

/** A case speaks to it, and does not know by which transport. */
export interface Transport {
  readonly tenant: string;
  admit(body: Fields): Promise<Outcome>;
  check(body: Fields): Promise<Outcome>;
  /** `confirm`, `authenticate`, `activity`, `end` or `transfer`. */
  on(id: string, verb: Verb, body?: Fields): Promise<Outcome>;
  get(id: string, user?: string): Promise<Outcome>;
  beat(node: string, body: Fields): Promise<Outcome>;
  leave(node: string, body: Fields): Promise<Outcome>;
  snapshot(node: string, body: Fields): Promise<Outcome>;
  acknowledge(node: string, commandId: string, body: Fields): Promise<Outcome>;
}

export type Verb = 'confirm' | 'authenticate' | 'activity' | 'end' | 'transfer';

const METHODS: Record<Verb, string> = {
  confirm: 'Confirm',
  authenticate: 'Authenticate',
  activity: 'ReportActivity',
  end: 'End',
  transfer: 'Transfer',
};

export function overHttp(gateway: Gateway, tenant: string): Transport {
  const call = async (method: 'POST' | 'GET' | 'PUT', path: string, body?: Fields): Promise<Outcome> => {
    const reply = await gateway.app.inject({
      method,
      url: `/v1${path}`,
      headers: { 'berth-tenant': tenant },
      ...(body !== undefined && { payload: body }),
    });
    const answer = (reply.payload === '' ? {} : JSON.parse(reply.payload)) as Fields;
    const retryAfter = reply.headers['retry-after'];
    if (reply.statusCode >= 400)
      return refused({ ...answer, ...(retryAfter !== undefined && { retryAfter: Number(retryAfter) }) });
    const { decision: _decision, ...says } = answer;
    return { code: 'ok', says: path === '/sessions' ? { ...says, replayed: reply.statusCode === 200 } : says };
  };
  const sessionOf = ({ code, says }: Outcome): Outcome => ({ code, says: code === 'ok' ? { session: says } : says });
  return {
    tenant,
    admit: (body) => call('POST', '/sessions', body),
    async check(body) {
      const { code, says } = await call('POST', '/sessions:check', body);
      return 'code' in says ? refused(says) : { code, says };
    },
    async on(id, verb, body = {}) {
      const outcome = await call('POST', `/sessions/${encodeURIComponent(id)}/${verb}`, body);
      return verb === 'activity' || verb === 'end' ? outcome : sessionOf(outcome);
    },
    async get(id, user) {
      return sessionOf(await call('GET', `/sessions/${id}${user === undefined ? '' : `?user=${user}`}`));
    },
    beat: (node, body) => call('POST', `/nodes/${node}/heartbeat`, body),
    leave: (node, body) => call('POST', `/nodes/${node}/leave`, body),
    snapshot: (node, body) => call('PUT', `/nodes/${node}/sessions`, body),
    acknowledge: (node, id, body) => call('POST', `/nodes/${node}/commands/${encodeURIComponent(id)}/ack`, body),
  };
}

/** What a problem says for programs; the fields by their names in the .proto files. */
function refused({ code, errors, limits, policyVersion, sip, currentEpoch, retryAfter, warnings }: Fields): Outcome {
  const fields = (errors as { path: string }[] | undefined)?.map(({ path }) =>
    path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
  return { code: String(code), says: { fields, limits, policyVersion, sip, currentEpoch, retryAfter, warnings } };
}

export function overGrpc(client: GrpcClient, tenant: string): Transport {
  const call = async (method: string, message: Fields): Promise<Outcome> =>
    outcomeOf(await client.call(method, message, { metadata: { 'berth-tenant': tenant } }));
  return {
    tenant,
    admit: (body) => call('Admit', asked(body)),
    async check(body) {
      const { code, says } = await call('Check', asked(body));
      const {
        admitted,
        refused: status,
        warnings,
      } = says as { admitted?: Fields; refused?: Fields; warnings?: unknown };
      if (code !== 'ok') return { code, says };
      if (admitted !== undefined) return { code, says: { ...without(admitted, 'replayed'), warnings } };
      const errors = detailsOf((status?.['details'] ?? []) as Fields[]);
      const { code: refusedWith, says: why } = outcomeOf({ code: '', details: '', message: {}, errors });
      return { code: refusedWith, says: { ...why, warnings } };
    },
    on: (id, verb, body = {}) => call(METHODS[verb], { sessionId: id, ...body, channels: channelsAsked(body) }),
    get: (id, user) => call('Get', { sessionId: id, userHint: user }),
    beat: (node, body) => call('NodeService/Heartbeat', { node, ...body }),
    leave: (node, body) => call('NodeService/Leave', { node, ...body }),
    snapshot: (node, body) => call('NodeService/PutSnapshot', { node, ...body, sessions: heldAsked(body) }),
    acknowledge: (node, commandId, { result, ...body }) =>
      call('NodeService/AckCommand', { node, commandId, ...body, result: word('COMMAND_RESULT', result) }),
  };
}

/** A body as a message. */
function asked({ state, priority, direction, metadata, ...body }: Fields): Fields {
  return {
    ...body,
    state: word('SESSION_STATE', state),
    priority: word('PRIORITY', priority),
    direction: word('DIRECTION', direction),
    metadata: metadata === undefined ? undefined : struct(metadata as Fields),
  };
}

const word = (prefix: string, value: unknown) =>
  typeof value === 'string' ? `${prefix}_${value.toUpperCase().replaceAll('-', '_')}` : undefined;
const stamp = (time: unknown) =>
  typeof time === 'string'
    ? { seconds: Math.floor(Date.parse(time) / 1_000), nanos: (Date.parse(time) % 1_000) * 1e6 }
    : undefined;

function channelsAsked({ channels }: Fields) {
  return (channels as Fields[] | undefined)?.map(({ type, openedAt, ...channel }) => ({
    ...channel,
    type: word('CHANNEL_TYPE', type),
    openedAt: stamp(openedAt),
  }));
}

function heldAsked({ sessions }: Fields) {
  return (sessions as Fields[] | undefined)?.map(({ state, startedAt, ...session }) => ({
    ...session,
    state: word('SESSION_STATE', state),
    startedAt: stamp(startedAt),
  }));
}

function struct(object: Fields): object {
  return { fields: Object.entries(object).map(([key, value]) => ({ key, value: structValue(value) })) };
}

function structValue(value: unknown): object {
  if (Array.isArray(value)) return { listValue: { values: value.map(structValue) } };
  if (typeof value === 'object' && value !== null) return { structValue: struct(value as Fields) };
  if (value === null) return { nullValue: 'NULL_VALUE' };
  return { [`${typeof value === 'boolean' ? 'bool' : typeof value}Value`]: value };
}

/** In the words of HTTP. Fails where the status of the call is not that of its problem. */
function outcomeOf({ code: status, message, errors }: GrpcAnswer): Outcome {
  if (status === 'OK') return { code: 'ok', says: answered(message) };
  const { ErrorInfo, BadRequest, Refusal, RetryInfo, QuotaFailure } = errors;
  const code = String(ErrorInfo?.['reason']).toLowerCase().replaceAll('_', '-');
  const expected = PROBLEMS[code as ProblemCode]?.grpc;
  if (status !== '' && status !== expected) throw new Error(`${code} came as ${status}, not ${expected}`);
  if (ErrorInfo?.['domain'] !== 'berth') throw new Error('the domain is not berth');
  const limits = (Refusal?.['limits'] as Fields[] | undefined)?.map((limit): Fields => {
    const { retry_after_ms: retryAfterMs, ...rest } = limit;
    return retryAfterMs === undefined ? rest : { ...rest, retryAfterMs };
  });
  const subjects = (QuotaFailure?.['violations'] as Fields[] | undefined)?.map(({ subject }) => subject);
  const full = limits?.map(({ scope, key }) => `${String(scope)}:${String(key)}`);
  if (JSON.stringify(subjects) !== JSON.stringify(full)) throw new Error('QuotaFailure does not name each full limit');
  return {
    code,
    says: {
      fields: (BadRequest?.['field_violations'] as Fields[] | undefined)?.map(({ field }) => field),
      limits,
      policyVersion: Refusal?.['policy_version'],
      sip: Refusal?.['sip'],
      currentEpoch: Refusal?.['current_epoch'],
      retryAfter: (RetryInfo?.['retry_delay'] as Fields | undefined)?.['seconds'],
    },
  };
}

/** An answer as HTTP writes it. */
function answered(message: Fields): Fields {
  const { session, admitted, now, expiresAt, terminated } = message;
  return {
    ...message,
    ...(session !== undefined && { session: sessionJson(session as Fields) }),
    ...(admitted !== undefined && { admitted: answered(admitted as Fields) }),
    ...(now !== undefined && { now: timeOf(now as object) }),
    ...(expiresAt !== undefined && { expiresAt: timeOf(expiresAt as object) }),
    ...(terminated !== undefined && {
      terminated: (terminated as Fields[]).map(({ startedAt, ...one }) => ({
        ...one,
        startedAt: timeOf(startedAt as object),
      })),
    }),
  };
}

function sessionJson({ metadata, channels, state, priority, direction, ...session }: Fields): Fields {
  const times = Object.entries(session).map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null && 'seconds' in value ? timeOf(value as object) : value,
  ]);
  return {
    ...(Object.fromEntries(times) as Fields),
    state: wordOf('SESSION_STATE', state),
    priority: wordOf('PRIORITY', priority),
    direction: wordOf('DIRECTION', direction),
    channels: (channels as Fields[] | undefined)?.map(({ type, openedAt, ...channel }) => ({
      ...channel,
      type: wordOf('CHANNEL_TYPE', type),
      openedAt: timeOf(openedAt as object | undefined),
    })),
    metadata: metadata === undefined ? undefined : objectOf(metadata as Struct),
  };
}

function without(fields: Fields, name: string): Fields {
  const { [name]: _left, ...rest } = fields;
  return rest;
}

/**
 * The outcome with what differs from run to run made equal: moments, marks, and the tenant. What HTTP writes as null, as false or as an empty list,
 * protobuf leaves out.
 */
export function comparable(outcome: Outcome): unknown {
  return JSON.parse(
    JSON.stringify(outcome, (name, value: unknown) => {
      if (value === null || value === false || value === '') return undefined;
      if (Array.isArray(value) && value.length === 0) return undefined;
      if (name === 'tenant') return 'the tenant';
      if (name === 'mark' && typeof value === 'string') return 'the mark';
      if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return 'a moment';
      if (typeof value === 'number' && /^(retryAfterMs|policyVersion)$/.test(name)) return `a ${name}`;
      return value === 0 ? undefined : value;
    }),
  ) as unknown;
}
