import { describe, expect, it } from '@jest/globals';

import { ReadinessChecks, stopGracefully } from '#service-kit';
import { eventually } from '#testing';

import { AdmissionService } from '../sessions/admission.service.js';
import { detailsOf, liveSessions, onStoppedRedisByGrpc, underWay, type GrpcSuite } from './grpc.fixture.js';

/** Redis is paused in some of these tests, and must not be away. */
const CONFIG =
  'store: { decision_deadline_ms: 20000 }\nlimits: { max_sessions_per_user: 0, user_session_limits: { one: 1 } }';
/** The bound of one stream. */
const IN_FLIGHT = 256;

let suite: GrpcSuite;
onStoppedRedisByGrpc(CONFIG, (begun) => (suite = begun));

const live = async () => await liveSessions(suite);
const admission = (number: number, more = {}) => ({
  number,
  admit: { sessionId: `s-${number}`, user: 'alice', ...more },
});
const admitted = () => suite.gateway.metric('berth_admissions_total{decision="admitted",reason="new"}');

/** A stream of which ten admissions wait for Redis. */
async function waiting() {
  suite.redis.pause();
  const stream = suite.client.decide();
  for (let number = 0; number < 10; number++) stream.send(admission(number));
  await eventually(() => inFlight() === 10, { what: 'the admissions to arrive' });
  return stream;
}

describe('Decide', () => {
  it('answers admissions and endings under their numbers', async () => {
    const stream = suite.client.decide();
    stream.send(admission(7, { user: 'one' }));
    stream.send(admission(8, { user: 'one' }));
    stream.send({ number: 9, end: { sessionId: 'nobody' } });
    stream.send({ number: 10 });
    await eventually(() => stream.all.length === 4);

    expect(stream.answerTo(7)).toMatchObject({ admitted: { session: { id: 's-7', user: 'one' }, replayed: false } });
    const reason = (number: number) => {
      const { details = [] } = (stream.answerTo(number)?.['failed'] ?? {}) as { details?: Record<string, unknown>[] };
      return detailsOf(details)['ErrorInfo']?.['reason'];
    };
    expect([8, 9, 10].map(reason)).toEqual(['USER_LIMIT_EXCEEDED', 'SESSION_UNKNOWN', 'INVALID_REQUEST']);

    stream.send({ number: 11, end: { sessionId: 's-7' } });
    await eventually(() => stream.answerTo(11) !== undefined);
    expect(stream.answerTo(11)).toEqual({ number: 11, ended: {} });
    expect(await live()).toBe(0);
    stream.half();
    await eventually(() => stream.ended === 'OK', { what: 'the stream to end' });
  });

  it('carries calls of one session out in their order, however many are sent at once', async () => {
    const stream = suite.client.decide();
    for (let number = 0; number < 200; number += 2) {
      stream.send({ number, admit: { sessionId: 'same', user: 'one', attempt: number + 1 } });
      stream.send({ number: number + 1, end: { sessionId: 'same' } });
    }
    await eventually(() => stream.all.length === 200);

    expect(stream.all.map(({ number }) => number)).toEqual(Array.from({ length: 200 }, (_, number) => number));
    expect(stream.all.filter(({ admitted: one, ended }) => one ?? ended)).toHaveLength(200);
    expect(await live()).toBe(0);
  });

  it('has so many under way and no more, and loses none', async () => {
    suite.redis.pause();
    const stream = suite.client.decide();
    for (let number = 0; number < 2_000; number++) stream.send(admission(number));
    await eventually(() => inFlight() >= IN_FLIGHT, { what: 'the stream to be full' });
    // Longer than what comes on top would take to arrive.
    await suite.client.call('grpc.health.v1.Health/Check');
    expect(inFlight()).toBe(IN_FLIGHT);

    suite.redis.resume();
    await eventually(() => stream.all.length === 2_000, { what: 'all answers' });
    expect(await live()).toBe(2_000);
  });

  it('takes back what a client did not hear of that is gone', async () => {
    const stream = await waiting();
    stream.call.cancel();
    await underWay(suite.gateway, 0);

    suite.redis.resume();

    await eventually(async () => (await admitted()) === 10, { what: 'the decisions' });
    await eventually(async () => (await live()) === 0, { what: 'every place to be free' });
  });

  it('ends with OK when the gateway drains, once what was read is answered', async () => {
    const stream = await waiting();
    suite.gateway.app.get(ReadinessChecks).drain();
    stream.send(admission(10));

    suite.redis.resume();

    await eventually(() => stream.ended !== null, { what: 'the stream to end' });
    expect([stream.ended, stream.all.length]).toEqual(['OK', 10]);
    expect(await live()).toBe(10);
  });

  it('is answered and ended by a gateway that stops', async () => {
    const stream = await waiting();
    const stopped = stopGracefully(suite.gateway.app);

    suite.redis.resume();
    await stopped;

    expect([stream.ended, stream.all.length]).toEqual(['OK', 10]);
    expect(await live()).toBe(10);
  });
});

/** Admissions that the service was asked for and that are not decided. */
function inFlight(): number {
  return suite.gateway.app.get(AdmissionService)['underWay'].size;
}
