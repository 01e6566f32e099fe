import { once } from 'node:events';
import { connect } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { stopGracefully } from '#service-kit';
import { eventually } from '#testing';

import { CallGate } from './call-gate.service.js';
import {
  liveSessions,
  metadataOf,
  methodNamed,
  onStoppedRedisByGrpc,
  underWay,
  type GrpcSuite,
} from './grpc.fixture.js';

/** Long enough that Redis answers in time once it goes on: what takes the place back is the hang-up alone. */
const PATIENT = 'store: { decision_deadline_ms: 20000 }';
const ADMITTED = 'berth_admissions_total{decision="admitted",reason="new"}';

let suite: GrpcSuite;
onStoppedRedisByGrpc(PATIENT, (begun) => (suite = begun));

const live = async () => await liveSessions(suite);
const counted = (metric: string, count: number) =>
  eventually(async () => (await suite.gateway.metric(metric)) === count, { what: `${metric} to be ${count}` });

/** An admission that the test may cancel; `ended` is the status that the client hears. */
function admitting(sessionId: string) {
  const { path, definition } = methodNamed('Admit');
  let cancel = () => {};
  const ended = new Promise<number>((resolve) => {
    const call = suite.client.client.makeUnaryRequest(
      path,
      definition.requestSerialize,
      definition.responseDeserialize,
      { sessionId, user: 'alice' },
      metadataOf(),
      {},
      (error) => resolve(error?.code ?? 0),
    );
    cancel = () => call.cancel();
  });
  return { ended, cancel: () => cancel() };
}

async function canConnect(): Promise<boolean> {
  const socket = connect(suite.client.port, '127.0.0.1');
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}

describe('an admission over gRPC whose caller is gone', () => {
  it('is taken back when the caller cancels before the decision', async () => {
    suite.redis.pause();
    const calls = ['a', 'b', 'c'].map(admitting);
    await underWay(suite.gateway, 3);
    for (const { cancel } of calls) cancel();
    expect(await Promise.all(calls.map(({ ended }) => ended))).toEqual([1, 1, 1]);
    await underWay(suite.gateway, 0);

    suite.redis.resume();

    await counted(ADMITTED, 3);
    await eventually(async () => (await live()) === 0, { what: 'every place to be free' });
    expect((await suite.client.call('Admit', { sessionId: 'a', user: 'alice' })).message).toMatchObject({
      replayed: false,
    });
  });

  it('is taken back when its connection is cut', async () => {
    suite.redis.pause();
    const { ended } = admitting('a');
    await underWay(suite.gateway, 1);
    suite.client.close();
    for (const socket of suite.gateway.app.get(CallGate).connections.values()) socket.destroy();
    expect(await ended).not.toBe(0);
    await underWay(suite.gateway, 0);

    suite.redis.resume();

    await counted(ADMITTED, 1);
    await eventually(async () => (await live()) === 0, { what: 'the place to be free' });
  });

  it('is answered at its own deadline, and taken back', async () => {
    suite.redis.pause();
    const { code } = await suite.client.call('Admit', { sessionId: 'a', user: 'alice' }, { deadlineMs: 200 });
    expect(code).toBe('DEADLINE_EXCEEDED');
    await underWay(suite.gateway, 0);

    suite.redis.resume();

    await counted(ADMITTED, 1);
    await eventually(async () => (await live()) === 0, { what: 'the place to be free' });
    // A caller in a hurry is no outage of the store.
    expect((await suite.client.call('grpc.health.v1.Health/Check')).message).toEqual({ status: 'SERVING' });
  });

  it('is none where the answer arrived', async () => {
    expect((await suite.client.call('Admit', { sessionId: 'a', user: 'alice' })).code).toBe('OK');
    suite.client.close();
    await underWay(suite.gateway, 0);

    await counted('berth_withdrawals_pending', 0);
    expect(await live()).toBe(1);
  });
});

describe('a gateway that stops', () => {
  it('answers the calls that are under way, and takes no more', async () => {
    suite.redis.pause();
    const calls = ['a', 'b'].map(admitting);
    await underWay(suite.gateway, 2);
    const stopped = stopGracefully(suite.gateway.app);
    await eventually(async () => !(await canConnect()), { what: 'connections to be refused' });

    suite.redis.resume();

    expect(await Promise.all(calls.map(({ ended }) => ended))).toEqual([0, 0]);
    await stopped;
    expect(await live()).toBe(2);
    expect((await suite.client.call('Get', { sessionId: 'a' }, { deadlineMs: 500 })).code).not.toBe('OK');
  });

  it('cuts off what lasts longer than it may, and takes that back', async () => {
    suite.redis.pause();
    const { ended } = admitting('a');
    await underWay(suite.gateway, 1);
    const stopped = stopGracefully(suite.gateway.app, 100);
    expect(await ended).not.toBe(0);

    suite.redis.resume();
    await stopped;

    expect(await live()).toBe(0);
  });
});
