import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

import {
  ServerInterceptingCall,
  status as codes,
  type Metadata,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import {
  assertRight,
  authenticate,
  AuthFailures,
  CONFIG,
  KeyRefused,
  LOGGER,
  problemOf,
  PROBLEMS,
  strangerOf,
  type Logger,
  type Principal,
  type ProblemException,
  type Right,
} from '#service-kit';

import { OpenCall } from './open-call.js';
import { callStatus, statusMessage, type CallStatus, type StatusMessage } from './status.mapper.js';

/** What of the metadata the rules about callers read. */
const HEADERS = ['authorization', 'berth-tenant', 'origin', 'sec-fetch-site', 'x-forwarded-for'] as const;

/** Lets calls in as HTTP does, before their message is read, and follows each to its end. */
@Injectable()
export class CallGate {
  /** The connections by their peers' addresses, as grpc-js writes them. */
  readonly connections = new Map<string, Socket>();
  /** The right that calls of each path need. */
  readonly rights = new Map<string, Right | 'open'>();
  readonly open = new Set<OpenCall>();
  private readonly byMetadata = new WeakMap<Metadata, OpenCall>();

  constructor(
    private readonly failures: AuthFailures,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const one = new OpenCall(path, call);
    this.open.add(one);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            this.byMetadata.set(metadata, one);
            void this.letIn(one, call, metadata, () => pass(metadata));
          },
          onCancel: () => {
            this.open.delete(one);
            one.close();
          },
        }),
      sendStatus: (status, next) => {
        one.answer();
        next(status);
      },
    });
  };

  /** Ends the calls of services that are not ours: streams of reflection would last for as long as their clients. */
  endForeign(): void {
    for (const one of this.open) {
      if (one.path.startsWith('/grpc.reflection.')) one.end({ code: codes.UNAVAILABLE, details: 'The gateway stops' });
    }
  }

  /** The call that came with this metadata. */
  callOf(metadata: Metadata): OpenCall {
    const one = this.byMetadata.get(metadata);
    if (one === undefined) throw new Error('a call that no interceptor saw');
    return one;
  }

  /** How a call ends that failed, logged as over HTTP. */
  failed(path: string, error: unknown): CallStatus {
    return callStatus(this.failure(path, error));
  }

  /** The same as a message, for one of many answers. */
  failure(path: string, error: unknown): StatusMessage {
    const problem = problemOf(error);
    this.report(path, problem);
    return statusMessage(problem, this.config.sip);
  }

  private async letIn(
    one: OpenCall,
    call: ServerInterceptingCallInterface,
    metadata: Metadata,
    pass: () => void,
  ): Promise<void> {
    const right = this.rights.get(one.path);
    const socket = this.connections.get(call.getPeer());
    // Of a connection that has just closed: nobody hears what the call is answered.
    if (socket === undefined) return;
    const request = requestOf(call, metadata, socket);
    try {
      if (right !== 'open') one.caller = this.callerOf(request, right);
    } catch (error) {
      const refusal = error instanceof KeyRefused ? await this.failures.answer(request, error) : error;
      one.end(this.failed(one.path, refusal));
      return;
    }
    pass();
  }

  /** Throws the refusal. */
  private callerOf(request: ReturnType<typeof requestOf>, right: Right | undefined): Principal {
    const stranger = strangerOf(this.config, 'grpc', request);
    if (stranger !== null) throw stranger;
    const { authorization, 'berth-tenant': tenant } = request.headers;
    const caller = authenticate(this.config, { authorization, tenant: tenant as string | undefined });
    assertRight(caller, right);
    return caller;
  }

  private report(path: string, { code, cause }: ProblemException): void {
    const { logLevel, title } = PROBLEMS[code];
    if (!this.logger.isLevelEnabled(logLevel)) return;
    this.logger[logLevel](logLevel === 'error' ? { code, method: path, err: cause } : { code, method: path }, title);
  }
}

/** The call as a request of HTTP, for the rules that both follow. */
function requestOf(call: ServerInterceptingCallInterface, metadata: Metadata, socket: Socket) {
  const host = call.getHost();
  const headers: IncomingHttpHeaders = { host };
  for (const name of HEADERS) {
    const [value] = metadata.get(name);
    if (typeof value === 'string') headers[name] = value;
  }
  return { method: 'POST', url: '', headers, rawHeaders: ['host', host], socket };
}
