import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { mayReadOf, parseBody, ProblemException, problemOf, type Principal } from '#service-kit';
import { Books, identify, InvalidInputError, type LimitState } from '#session-core';
import { hintQuery, sessionId, sessionView, unreadableView } from '#session-wire';

import { SessionCalls } from '../sessions/session-calls.service.js';
import { IN_BODY } from '../sessions/session-ref.mapper.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';
import { CallGate } from './call-gate.service.js';
import { callMessage, legId, type CallView } from './call.mapper.js';
import type { Methods, UnaryCall, WatchCall } from './methods.js';
import type { Message } from './session.mapper.js';

const PAGE = 100;

/** What the bodies of `/v1` call the fields of this service. */
const FIELDS: Record<string, string> = {
  from: 'from_uri',
  to: 'to_uri',
  metadata: 'custom_headers',
  sessionId: 'call_id',
};

const callId = z.object({ callId: sessionId() });
const activeFilter = z.object({ filter: hintQuery.shape.user });

/** `b2bua.v1.B2BUACallService`: the calls of programs that were built for the B2BUA that Berth replaces. Each is a session like any other. */
@Injectable()
export class CallMethods {
  readonly methods: Methods = {
    InitiateCall: { right: 'node.speak', unary: async (call) => await here(this.initiate(call)) },
    TerminateCall: { right: 'node.speak', unary: async (call) => await here(this.terminate(call)) },
    GetCallDetails: { right: 'session.read', unary: async (call) => await here(this.details(call)) },
    GetActiveCalls: { right: 'sessions.read', watch: (call) => void this.answerActive(call) },
  };

  /** `b2bua.v1.RoutingRuleService`. */
  readonly routingMethods: Methods = {
    ListRoutingRules: { right: 'docs.read', unary: async () => ({ rules: [], nextPageToken: '' }) },
  };

  constructor(
    private readonly calls: SessionCalls,
    private readonly tenants: TenantsRepository,
    private readonly books: Books,
    private readonly gate: CallGate,
  ) {}

  private async initiate({ caller, message, ifUndelivered }: UnaryCall): Promise<Message> {
    const sdp = textOf(message['initialSdp']) || textOf(message['sdp']);
    const body = {
      from: message['fromUri'],
      to: message['toUri'] || null,
      metadata: metadataOf(message),
    };
    const { decision, takeBack } = await this.calls.admit(caller, body);
    ifUndelivered(takeBack);
    const { id } = decision.session;
    return { callId: id, legId: legId(id, 'a'), resultingSdp: sdp, status: 'CALL_STATUS_CONNECTED' };
  }

  private async terminate({ caller, message }: UnaryCall): Promise<Message> {
    const { callId: id } = parseBody(callId, message);
    await this.calls.end(caller, { id: IN_BODY, sessionId: id }, { reason: message['reason'] || null });
    return { success: true, message: `Call ${id} terminated` };
  }

  private async details({ caller, message }: UnaryCall): Promise<Message> {
    const { callId: id } = parseBody(callId, message);
    const call = await this.calls.get(caller, { id: IN_BODY, sessionId: id });
    return { callInfo: callMessage(call), sipMessages: [], mediaInfo: '' };
  }

  private async answerActive({ caller, message, open, out }: WatchCall): Promise<void> {
    try {
      for await (const call of this.active(caller, message)) {
        if (open.isOver) return;
        if (out.write(call)) continue;
        // A caller that reads slowly is waited for as long as its connection and its deadline last.
        await new Promise<void>((go) => {
          out.once('drain', go);
          open.whenOver(() => go());
        });
      }
      out.end();
    } catch (error) {
      open.end(this.gate.failed(open.path, asHere(error)));
    }
  }

  /** Those of the user, or the call with that id; all where the filter is empty. */
  private async *active(caller: Principal, message: Message): AsyncGenerator<Message, void> {
    const { filter } = parseBody(activeFilter, { filter: message['filter'] || undefined });
    const named = filter === undefined ? [] : await this.liveNamed(caller, filter);
    for (const call of named) yield callMessage(call);
    if (named.length > 0) return;
    const { ref, config } = this.tenants.named(caller.tenant);
    const identified = filter === undefined ? null : identify({ user: filter }, config.identity);
    if (identified !== null && !identified.ok) throw new InvalidInputError('filter', identified.message);
    const ofCaller = caller.nodes === null ? {} : { isOnNode: (node: string | null) => mayReadOf(caller, node) };
    const wanted = { ...ofCaller, ...(identified !== null && { user: identified.user }) };
    let cursor: string | null = null;
    do {
      const page = await this.books.sessions(ref, wanted, cursor, PAGE);
      for (const session of page.sessions) yield callMessage(sessionView(session));
      for (const session of page.unreadable) yield callMessage(unreadableView(session));
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  private async liveNamed(caller: Principal, id: string): Promise<CallView[]> {
    const { ref } = this.tenants.named(caller.tenant);
    const { sessions } = await this.books.sessionsNamed(ref, [id]);
    return sessions.filter(({ node }) => mayReadOf(caller, node)).map(sessionView);
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What the call was made with and Berth has no field for. */
function metadataOf({ customHeaders, routingRuleId }: Message): object | null {
  const headers = (customHeaders ?? []) as { key?: string; value?: string }[];
  const metadata = {
    ...(headers.length > 0 && {
      customHeaders: Object.fromEntries(headers.map(({ key = '', value = '' }) => [key, value])),
    }),
    ...(textOf(routingRuleId) !== '' && { routingRuleId }),
  };
  return Object.keys(metadata).length === 0 ? null : metadata;
}

/** The outcome, with its error in the words of this service. */
async function here<T>(outcome: Promise<T>): Promise<T> {
  return await outcome.catch((error: unknown) => {
    throw asHere(error);
  });
}

/** The error in the words of this service: its own names of fields, and the sentence that its programs know. */
function asHere(error: unknown): unknown {
  const problem = error instanceof InvalidInputError ? problemOf(error) : error;
  if (!(problem instanceof ProblemException)) return error;
  const { code, status, headers, members } = problem;
  const limits = (members['limits'] ?? []) as LimitState[];
  const full = code === 'user-limit-exceeded' ? limits.find(({ scope }) => scope === 'user') : undefined;
  if (full !== undefined) {
    return new ProblemException(code, `session limit exceeded for user ${full.key}`, { status, headers, members });
  }
  const errors = (members['errors'] ?? []) as { path: string; message: string }[];
  if (errors.length === 0) return problem;
  const renamed = errors.map(({ path, message }) => ({
    path: path.replace(/^\w+/, (name) => FIELDS[name] ?? name),
    message,
  }));
  return new ProblemException(code, problem.message, { status, headers, members: { ...members, errors: renamed } });
}
