import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { describeWith, eventually } from '#testing';

import { startFrontDoor, type FrontDoor } from './front-door.js';
import { startKamailio, type Kamailio } from './kamailio.js';
import { phonesOf, type Phones } from './phones.js';
import type { CallersOptions } from './sipp.js';
import { startVoiceFleet, type VoiceFleet } from './voice-fleet.js';

/** A fleet for the tests of one block, and phones that are gone after each. */
function fleetWith(configYaml: string) {
  const started: { fleet?: VoiceFleet } = {};
  const fleet = () => {
    if (started.fleet === undefined) throw new Error('The fleet has not started');
    return started.fleet;
  };
  const phones = phonesOf(() => fleet().kamailio);
  beforeAll(async () => {
    started.fleet = await startVoiceFleet({ configYaml });
  });
  afterEach(() => phones.stop());
  afterAll(() => started.fleet?.stop());
  return { fleet, phones };
}

const idOf = (name: string) => `${name}-1@127.0.0.1`;

/** A call of alice that is up; only the other side or the proxy may hang up. */
async function callUp(phones: Phones, name: string, options: Partial<CallersOptions> = {}) {
  const format = { scenario: 'caller-is-hung-up', callIdFormat: `${name}-%u@%s` } as const;
  const caller = await phones.call(['alice'], { ...format, ...options });
  await caller.results();
  return caller;
}

describeWith(['redis-server', 'kamailio', 'sipp'], 'Kamailio as a node', () => {
  describe('that lives', () => {
    const { fleet, phones } = fleetWith('nodes: { lease: 15, missed_beats: 15 }');
    const { callee, call } = phones;

    it('beats with the epoch of its start and the number of its calls', async () => {
      await callee('callee');
      const beats = (calls: number) =>
        eventually(async () => (await fleet().nodeView())?.claimedSessions === calls, { what: `${calls} calls` });
      await beats(0);
      const callers = await call(['alice', 'bob']);
      await callers.results();
      await beats(2);
      expect(await fleet().nodeView()).toMatchObject({ state: 'live', sessions: 2 });
      await callers.hangUp();
      await callers.finished();
      await beats(0);
    });

    it.each([1, 2])('hangs up the oldest call on both sides when a call too many of %i comes', async (limit) => {
      await fleet().setLimits({ max_sessions_per_user: limit, session_limit_action: 'terminate_oldest' });
      const answering = await callee('callee');
      const oldest = await callUp(phones, `oldest-of-${limit}`);
      const others = [];
      for (let younger = 0; younger < limit; younger += 1) others.push(await call(['alice']));
      for (const other of others) expect((await other.results()).map(({ status }) => status)).toEqual(['200']);

      await oldest.finished();
      await answering.heardBye(idOf(`oldest-of-${limit}`));
      expect(await fleet().stateOf(idOf(`oldest-of-${limit}`))).toBe('evicted');
      await fleet().holds('alice', limit);
      for (const other of others) {
        await other.hangUp();
        await other.finished();
      }
      await fleet().empty();
    });

    it('cancels the oldest call when that still rings', async () => {
      await fleet().setLimits({ max_sessions_per_user: 1, session_limit_action: 'terminate_oldest' });
      const ringing = await callee('callee-rings');
      const oldest = await call(['alice'], { callIdFormat: 'rings-%u@%s' });
      await fleet().holds('alice', 1);
      const next = await call(['alice'], { callIdFormat: 'next-%u@%s' });
      expect((await oldest.results()).map(({ status }) => status)).toEqual(['487']);
      await ringing.heardCancel(idOf('rings'));
      await ringing.answer(idOf('next'));
      expect((await next.results()).map(({ status }) => status)).toEqual(['200']);
      await next.hangUp();
      await next.finished();
      await fleet().empty();
    });

    it('hangs up a call that an operator ends', async () => {
      const answering = await callee('callee');
      const caller = await callUp(phones, 'killed');
      await fleet().kill(idOf('killed'));
      await caller.finished();
      await answering.heardBye(idOf('killed'));
      await eventually(async () => (await fleet().nodeView())?.pendingCommands === 0, { what: 'the acknowledgement' });
    });

    it('hangs up on both sides however many calls at once, and however fast they answer', async () => {
      await fleet().setLimits({ max_sessions_per_user: 0 });
      const answering = await callee('callee');
      const callers = await call(Array(60).fill('alice'), { scenario: 'caller-is-hung-up' });
      const results = await callers.results();
      await fleet().killAll('alice');
      await callers.finished();
      for (const { callId } of results) await answering.heardBye(callId);
      await eventually(async () => (await fleet().nodeView())?.pendingCommands === 0, { what: 'the acknowledgements' });
    });

    it('says that a call is gone which it does not have', async () => {
      const door = await startFrontDoor(fleet().berth.gateways[0]?.url ?? '');
      const kamailio = await startKamailio({ berthUrls: [door.url, door.url] });
      phones.keep(door, kamailio);
      await fleet().admit({ sessionId: `a call/'"of nobody`, user: 'bob', node: kamailio.node });
      await fleet().kill(`a call/'"of nobody`);
      const acks = () => door.requests.filter(({ path, status }) => path.endsWith('/ack') && status !== undefined);
      await eventually(() => acks().length > 0, { what: 'an acknowledgement' });
      expect(acks()).toMatchObject([{ body: '{"result":"gone"}', status: 204 }]);
    });

    it('hangs up after an outage what was ended in it, and tells what it ended itself', async () => {
      await fleet().setLimits({ max_sessions_per_user: 5 });
      const answering = await callee('callee');
      const caller = await callUp(phones, 'ended-by-operator');
      const other = await call(['bob']);
      await other.results();
      await Promise.all(fleet().berth.gateways.map((app) => app.process.kill()));
      await fleet().kill(idOf('ended-by-operator'));
      await other.hangUp();
      await other.finished();
      expect(await fleet().active('bob')).toBe(1);

      await Promise.all(fleet().berth.gateways.map((app) => app.process.restart()));
      await caller.finished();
      await answering.heardBye(idOf('ended-by-operator'));
      await fleet().empty();
    });

    it('gives back at its restart what it held before', async () => {
      await callee('callee');
      const before = await fleet().nodeView();
      const talking = await call(['alice'], { callIdFormat: 'before-restart-%u@%s' });
      await talking.results();
      await fleet().kamailio.crash();
      await fleet().kamailio.restart();
      await fleet().empty();
      expect(await fleet().stateOf(idOf('before-restart'))).toBe('node_restarted');
      expect((await fleet().nodeView())?.epoch).toBeGreaterThan(before?.epoch ?? Infinity);

      await talking.hangUp();
      await talking.finished();
      const after = await call(['alice']);
      expect((await after.results()).map(({ status }) => status)).toEqual(['200']);
      await after.hangUp();
      await after.finished();
      await fleet().empty();
    });
  });

  describe('that falls silent for a lease of three seconds', () => {
    const { fleet, phones } = fleetWith('nodes: { lease: 3, missed_beats: 3 }');

    it('keeps its calls and their places when it is Berth that was away', async () => {
      await phones.callee('callee');
      const caller = await phones.call(['alice']);
      const [{ callId } = { callId: '' }] = await caller.results();
      await Promise.all(fleet().berth.gateways.map((app) => app.process.kill()));
      const awaySince = Date.now();
      await eventually(() => Date.now() - awaySince > 4_000, { what: 'the lease to pass' });
      await Promise.all(fleet().berth.gateways.map((app) => app.process.restart()));
      const back = Date.now();
      await eventually(async () => Date.parse((await fleet().nodeView())?.lastBeat ?? '') > back, { what: 'a beat' });
      expect(await fleet().stateOf(callId)).toBe('active');
      await caller.hangUp();
      await caller.finished();
      await fleet().empty();
    });

    it('frees its places when it was killed', async () => {
      await phones.callee('callee');
      await callUp(phones, 'orphan');
      await fleet().kamailio.crash();
      await fleet().empty();
      expect(await fleet().stateOf(idOf('orphan'))).toBe('node_lost');
      expect(await fleet().nodeView()).toMatchObject({ state: 'lost' });
    });
  });

  describe('that says every second what it holds', () => {
    const nodes = 'lease: 3, missed_beats: 3, snapshot_interval: 1, on_return: hang_up';
    const { fleet, phones } = fleetWith(`{ nodes: { ${nodes} }, limits: { max_sessions_per_user: 1 } }`);
    let door: FrontDoor;
    let kamailio: Kamailio;

    beforeEach(async () => {
      door = await startFrontDoor(fleet().berth.gateways[0]?.url ?? '');
      kamailio = await startKamailio({ berthUrls: [door.url, door.url] });
      phones.keep(door, kamailio);
      await eventually(() => fleet().nodeView(kamailio), { what: 'the first beat' });
    });

    const becomes = (state: string, callId: string) =>
      eventually(async () => expect(await fleet().stateOf(callId)).toBe(state), { what: `${callId} to be ${state}` });

    it('gets its calls back when it was cut off and is not dead', async () => {
      await phones.callee('callee', kamailio);
      const caller = await phones.call(['alice'], { port: kamailio.port, callIdFormat: 'back-%u@%s' });
      await caller.results();
      door.shut();
      await becomes('node_lost', idOf('back'));
      door.open();
      await becomes('active', idOf('back'));
      expect(await phones.hears('alice', { port: kamailio.port })).toBe('486');
      await caller.hangUp();
      await caller.finished();
      await fleet().empty();
    });

    it('hangs up a call whose place was given away meanwhile', async () => {
      const answering = await phones.callee('callee', kamailio);
      const caller = await callUp(phones, 'given-away', { port: kamailio.port });
      door.shut();
      await becomes('node_lost', idOf('given-away'));
      await fleet().admit({ sessionId: 'taker', user: 'alice' });
      door.open();
      await caller.finished();
      await answering.heardBye(idOf('given-away'));
      await fleet().end('taker');
      await fleet().empty();
    });

    it.each(['reserved', 'active'])('puts a call that is %s back on books that were lost', async (state) => {
      const ringing = await phones.callee('callee-rings', kamailio);
      const callIdFormat = `/?"'%%<{\\}>${state}-%u@%s`;
      const callId = callIdFormat.replace('%%', '%').replace('%u', '1').replace('%s', '127.0.0.1');
      const caller = await phones.call(['alice'], { port: kamailio.port, callIdFormat });
      await fleet().holds('alice', 1);
      const answer = async () => {
        await ringing.answer(callId);
        await caller.results();
      };
      if (state === 'active') await answer();
      await fleet().loseBooks();
      await becomes(state, callId);
      expect(await fleet().active('alice')).toBe(1);

      if (state === 'reserved') await answer();
      await becomes('active', callId);
      await caller.hangUp();
      await caller.finished();
      await fleet().empty();
    });

    it('clears the books of a call that it does not have', async () => {
      const { node } = kamailio;
      const epoch = (await fleet().nodeView(kamailio))?.epoch ?? 0;
      await fleet().admit({ sessionId: 'ghost', user: 'alice', node, epoch });
      await becomes('reconciled', 'ghost');
      await fleet().empty();
    });
  });

  describe('of calls that may last four seconds', () => {
    const { fleet, phones } = fleetWith('sessions: { sip: { session_timeout: 4 } }');

    it('hangs up on both sides when they are over', async () => {
      const answering = await phones.callee('callee');
      const caller = await callUp(phones, 'too-long');
      await caller.finished();
      await answering.heardBye(idOf('too-long'));
      expect(await fleet().stateOf(idOf('too-long'))).toBe('max_duration');
      await fleet().empty();
    });
  });
});
