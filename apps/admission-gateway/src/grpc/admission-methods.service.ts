import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';

import type { BerthConfig } from '#config';
import { CONFIG, parseBody, type Principal } from '#service-kit';
import { InvalidInputError } from '#session-core';
import { hintQuery, rfc3339OrNull, sessionId, sessionView } from '#session-wire';

import { admittedJson, problemOfDecision } from '../sessions/decision.mapper.js';
import { SessionCalls } from '../sessions/session-calls.service.js';
import { IN_BODY, type Naming } from '../sessions/session-ref.mapper.js';
import { CallGate } from './call-gate.service.js';
import { DecideStream } from './decide-stream.js';
import type { Methods, TwoWayCall, UnaryCall } from './methods.js';
import { OpenStreams } from './open-streams.service.js';
import { activityBodyOf, admissionBodyOf, admittedMessage, sessionMessage, type Message } from './session.mapper.js';
import { statusMessage } from './status.mapper.js';
import { timestampOf } from './values.mapper.js';

/** `berth.v1.AdmissionService`. */
@Injectable()
export class AdmissionMethods {
  readonly methods: Methods = {
    Admit: { right: 'node.speak', unary: async (call) => await this.admit(call) },
    Check: { right: 'node.speak', unary: async (call) => await this.check(call) },
    Confirm: {
      right: 'node.speak',
      unary: async ({ caller, message }) => ({
        session: sessionMessage(sessionView(await this.calls.confirm(caller, named(message), message))),
      }),
    },
    Authenticate: {
      right: 'node.speak',
      unary: async ({ caller, message }) => ({
        session: sessionMessage(sessionView(await this.calls.authenticate(caller, named(message), message))),
      }),
    },
    ReportActivity: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        const { expiresAtMs } = await this.calls.renew(caller, named(message), activityBodyOf(message));
        return { expiresAt: timestampOf(rfc3339OrNull(expiresAtMs)) };
      },
    },
    End: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        await this.calls.end(caller, named(message), message);
        return {};
      },
    },
    Transfer: {
      right: 'node.speak',
      unary: async ({ caller, message }) => ({
        session: sessionMessage(sessionView(await this.calls.transfer(caller, named(message), message))),
      }),
    },
    Get: {
      right: 'session.read',
      unary: async ({ caller, message }) => ({
        session: sessionMessage(await this.calls.get(caller, named(message))),
      }),
    },
    Decide: { right: 'node.speak', twoWay: (call) => this.decide(call) },
  };

  constructor(
    private readonly calls: SessionCalls,
    private readonly gate: CallGate,
    private readonly streams: OpenStreams,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {}

  private async admit({ caller, message, ifUndelivered }: UnaryCall): Promise<Message> {
    const { answer, takeBack } = await this.admission(caller, message);
    ifUndelivered(takeBack);
    return answer;
  }

  private async admission(caller: Principal, message: Message) {
    const { decision, warnings, takeBack } = await this.calls.admit(caller, admissionBodyOf(message));
    return { answer: admittedMessage(admittedJson(caller, decision, warnings), decision.repeated), takeBack };
  }

  private decide({ caller, open, stream }: TwoWayCall): void {
    const one = new DecideStream(stream, open, async ({ admit, end }) => {
      try {
        if (admit !== undefined) {
          const { answer, takeBack } = await this.admission(caller, admit as Message);
          return { answer: { admitted: answer }, takeBack };
        }
        if (end === undefined) throw new InvalidInputError('call', 'must be admit or end');
        await this.calls.end(caller, named(end as Message), end);
        return { answer: { ended: {} } };
      } catch (error) {
        return { answer: { failed: this.gate.failure(open.path, error) } };
      }
    });
    this.streams.add(open, () => one.end());
    one.run();
  }

  private async check({ caller, message }: UnaryCall): Promise<Message> {
    const { decision, warnings } = await this.calls.check(caller, admissionBodyOf(message));
    if (decision.kind === 'admitted') {
      return { admitted: admittedMessage(admittedJson(caller, decision, []), decision.repeated), warnings };
    }
    const { sip } = this.config;
    return { refused: statusMessage(problemOfDecision(decision, sip), sip), warnings };
  }
}

const naming = z.object({ sessionId: sessionId(), userHint: hintQuery.shape.user });

/** The session that a call is about: its id is in the body. */
function named(message: Message): Naming {
  const { sessionId: id, userHint } = parseBody(naming, message);
  return { id: IN_BODY, sessionId: id, user: userHint };
}
