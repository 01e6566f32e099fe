import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { describeWith, eventually } from '#testing';

import { startFrontDoor, type FrontDoor } from './front-door.js';
import { startKamailio, type Kamailio } from './kamailio.js';
import { phonesOf } from './phones.js';
import { SipSocket, sipRequest } from './sip-messages.js';
import { startVoiceFleet, type VoiceFleet } from './voice-fleet.js';

describeWith(['redis-server', 'kamailio', 'sipp'], 'calls through Kamailio', () => {
  let fleet: VoiceFleet;
  const phones = phonesOf(() => fleet.kamailio);
  const { callee, call, hears } = phones;

  beforeAll(async () => {
    fleet = await startVoiceFleet();
  });

  afterEach(() => phones.stop());

  afterAll(() => fleet?.stop());

  async function serviceIsBack(): Promise<void> {
    await eventually(async () => (await hears('zoe')) === '200', {
      what: 'calls to be admitted again',
      timeoutMs: 30_000,
    });
  }

  describe('a limit of five', () => {
    it('answers exactly five of sixty calls at once, and leaves other users alone', async () => {
      await callee('callee');
      const others = ['bob', 'carol', 'dave', 'erin', 'frank'];
      const users = Array.from({ length: 60 }, (_, index) =>
        index % 12 === 6 ? ['alice', ...others.splice(0, 1)] : ['alice'],
      );
      const callers = await call(users.flat());
      const results = await callers.results();
      const statuses = (wanted: (user: string) => boolean) =>
        results
          .filter(({ user }) => wanted(user))
          .map(({ status }) => status)
          .toSorted();

      expect(statuses((user) => user === 'alice')).toEqual([...Array(5).fill('200'), ...Array(55).fill('486')]);
      expect(statuses((user) => user !== 'alice')).toEqual(Array(5).fill('200'));
      expect(await fleet.active('alice')).toBe(5);
      await callers.hangUp();
      await callers.finished();
      await fleet.empty();
    });

    it('refuses the sixth call, and admits the next after one BYE', async () => {
      await callee('callee');
      const five = await call(Array(5).fill('alice'));
      const results = await five.results();
      expect(await hears('alice')).toBe('486');

      await five.hangUp(results.slice(0, 1).map(({ callId }) => callId));
      await fleet.holds('alice', 4);
      expect(await hears('alice')).toBe('200');

      await five.hangUp(results.slice(1).map(({ callId }) => callId));
      await five.finished();
      await fleet.empty();
    });
  });

  describe('a call that never comes up gives its place back', () => {
    it('after CANCEL', async () => {
      await callee('callee-rings');
      const callers = await call(Array(5).fill('alice'), { scenario: 'caller-cancels' });
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(5).fill('487'));
      await callers.finished();
      await fleet.empty();
    });

    it('after 603', async () => {
      await callee('callee-declines');
      const callers = await call(Array(5).fill('alice'));
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(5).fill('603'));
      await callers.finished();
      await fleet.empty();
    });

    it('when the callee is dead', async () => {
      const callers = await call(Array(5).fill('alice'));
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(5).fill('408'));
      await callers.finished();
      await fleet.empty();
    });
  });

  it('hangs up a call that lost its place while it rang', async () => {
    const ringing = await callee('callee-rings');
    const caller = await call(['alice'], { scenario: 'caller-is-hung-up', callIdFormat: 'lost-%u@%s' });
    await fleet.holds('alice', 1);
    await fleet.end('lost-1@127.0.0.1');
    await ringing.answer('lost-1@127.0.0.1');
    await caller.finished();
    expect(await caller.results()).toHaveLength(1);
    await fleet.empty();
  });

  describe('what callers may send', () => {
    it.each([
      ['a path and a query', '%u/../a?b=c&d#e;f@%s'],
      ['brackets', '%u[<{(x)}>]@%s'],
      ['quotes and backslashes', `%u"'\\"\\\\\\u0000'@%s`],
      ['percent signs', '%u%%2F%%00%%zz@%s'],
      ['all of it', `%u/?[]<>'"%%\\{}@%s`],
    ])('counts and frees a call whose Call-ID holds %s', async (_, callIdFormat) => {
      await callee('callee');
      const callers = await call(Array(6).fill('alice'), { callIdFormat });
      const results = await callers.results();
      expect(results.map(({ status }) => status).toSorted()).toEqual([...Array(5).fill('200'), '486']);
      const [answered] = results.filter(({ status }) => status === '200');
      expect(await fleet.stateOf(answered?.callId ?? '')).toBe('active');
      await callers.hangUp();
      await callers.finished();
      await fleet.empty();
    });

    it('knows the caller behind a hostile display name', async () => {
      await callee('callee');
      const callers = await call(['alice'], { displayName: String.raw`"\\\" <sip:bob@example.com>, \"{}" ` });
      await callers.results();
      expect([await fleet.active('alice'), await fleet.active('bob')]).toEqual([1, 0]);
      await callers.hangUp();
      await callers.finished();
      await fleet.empty();
    });

    it('places no second call in the place of the first', async () => {
      await callee('callee-rings');
      const socket = await SipSocket.open();
      phones.keep(socket);
      const invite = { method: 'INVITE', user: 'alice', callId: 'merged', port: socket.port } as const;
      await socket.send(sipRequest(invite), fleet.kamailio.port);
      await eventually(() => socket.statuses('INVITE').includes('180 Ringing'), { what: 'the first to ring' });
      await socket.send(sipRequest({ ...invite, tag: '2' }), fleet.kamailio.port);
      await eventually(() => socket.statuses('INVITE').includes('482 Loop Detected'), { what: 'the second' });
      expect(await fleet.stateOf('merged')).toBe('reserved');
      await socket.send(sipRequest({ ...invite, method: 'CANCEL' }), fleet.kamailio.port);
      await fleet.empty();
    });

    it('takes one place for a call that is challenged and sent again with the same Call-ID', async () => {
      await callee('callee-challenges');
      const callers = await call(Array(5).fill('alice'), { scenario: 'caller-authenticates' });
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(5).fill('200'));
      expect(await fleet.active('alice')).toBe(5);
      expect(await hears('alice')).toBe('486');
      await callers.hangUp();
      await callers.finished();
      await fleet.empty();
    });
  });

  describe('a service that is down', () => {
    afterEach(async () => {
      fleet.redis.resume();
      await Promise.all(fleet.berth.gateways.filter((app) => !app.process.running).map((app) => app.process.restart()));
    });

    it('is heard as 503 when no gateway runs, and calls are admitted again when one does', async () => {
      await callee('callee');
      await Promise.all(fleet.berth.gateways.map((app) => app.process.kill()));
      const callers = await call(Array(10).fill('alice'));
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(10).fill('503'));
      await callers.finished();

      await Promise.all(fleet.berth.gateways.map((app) => app.process.restart()));
      await serviceIsBack();
      await fleet.empty();
    });

    it('is heard as 503 when the store does not answer', async () => {
      await callee('callee');
      fleet.redis.pause();
      const callers = await call(Array(10).fill('alice'));
      expect((await callers.results()).map(({ status }) => status)).toEqual(Array(10).fill('503'));
      await callers.finished();

      fleet.redis.resume();
      await serviceIsBack();
      await fleet.empty();
    });

    it('is not heard at all while one gateway of two runs', async () => {
      await callee('callee');
      await fleet.berth.gateways[0]?.process.kill();
      const callers = await call(Array(10).fill('alice'));
      expect((await callers.results()).map(({ status }) => status).toSorted()).toEqual([
        ...Array(5).fill('200'),
        ...Array(5).fill('486'),
      ]);
      await callers.hangUp();
      await callers.finished();
      await fleet.empty();
    });

    it('learns of an answer and of an end that it missed', async () => {
      const ringing = await callee('callee-rings');
      const [endsMeanwhile, answeredMeanwhile] = [
        await call(['alice'], { callIdFormat: 'ends-%u@%s' }),
        await call(['bob'], { callIdFormat: 'answered-%u@%s' }),
      ];
      await fleet.holds('alice', 1);
      await fleet.holds('bob', 1);
      await ringing.answer('ends-1@127.0.0.1');
      await endsMeanwhile.results();
      await Promise.all(fleet.berth.gateways.map((app) => app.process.kill()));
      await endsMeanwhile.hangUp();
      await endsMeanwhile.finished();
      await ringing.answer('answered-1@127.0.0.1');
      await answeredMeanwhile.results();
      expect([await fleet.active('alice'), await fleet.active('bob')]).toEqual([1, 1]);

      await Promise.all(fleet.berth.gateways.map((app) => app.process.restart()));
      await fleet.holds('alice', 0);
      await eventually(async () => (await fleet.stateOf('answered-1@127.0.0.1')) === 'active', {
        what: 'the answered call to be confirmed',
      });
      await answeredMeanwhile.hangUp();
      await answeredMeanwhile.finished();
      await fleet.empty();
    });
  });

  describe('while Berth is being asked', () => {
    let door: FrontDoor;
    let kamailio: Kamailio;
    let socket: SipSocket;

    beforeEach(async () => {
      door = await startFrontDoor(fleet.berth.gateways[0]?.url ?? '');
      kamailio = await startKamailio({ berthUrls: [door.url, door.url] });
      socket = await SipSocket.open();
      phones.keep(door, kamailio, socket);
    });

    const send = (method: 'INVITE' | 'CANCEL', callId: string) =>
      socket.send(sipRequest({ method, user: 'alice', callId, port: socket.port }), kamailio.port);

    /** What the gateway answered to Kamailio's requests at this path; undefined where it has not yet. */
    const answersAt = (path: string) =>
      door.requests.filter((request) => request.path === path).map(({ status }) => status);

    /** Waits until Kamailio has asked and got no answer. */
    async function questionWaits(): Promise<void> {
      await eventually(() => answersAt('/v1/sessions').length > 0, { what: 'the question' });
    }

    it('a retransmitted INVITE asks nothing', async () => {
      await callee('callee-declines', kamailio);
      door.shut();
      for (let copy = 0; copy < 10; copy += 1) await send('INVITE', 'retransmitted');
      await questionWaits();
      door.open();
      await eventually(() => socket.statuses('INVITE').includes('603 Decline'), { what: 'the callee to decline' });
      for (let copy = 0; copy < 10; copy += 1) await send('INVITE', 'retransmitted');
      await fleet.empty();
      expect(answersAt('/v1/sessions')).toEqual([201]);
    });

    it('a CANCEL ends the call and frees its place', async () => {
      await callee('callee-rings', kamailio);
      door.shut();
      await send('INVITE', 'cancelled');
      await questionWaits();
      await send('CANCEL', 'cancelled');
      await eventually(() => socket.statuses('CANCEL').length > 0, { what: 'the CANCEL to be answered' });
      door.open();
      await eventually(() => answersAt('/v1/sessions/-/end').at(0) === 204, { what: 'the question to be taken back' });
      expect(answersAt('/v1/sessions')).toEqual([201]);
      expect(socket.statuses('INVITE')).toContain('487 Request canceled');
      await fleet.empty();
    });

    it('an answer that comes too late is heard as 503, and its place is given back', async () => {
      door.shut();
      await send('INVITE', 'too-late');
      await eventually(() => socket.statuses('INVITE').includes('503 Service Unavailable'), { what: '503' });
      door.open();
      await eventually(() => answersAt('/v1/sessions/-/end').at(0) === 204, { what: 'the question to be taken back' });
      expect(answersAt('/v1/sessions')).toEqual([201]);
      await fleet.empty();
    });
  });
});
