import { describe, expect, it } from '@jest/globals';

import { historyEvent } from './event.mapper.js';

const entry = (fields: Record<string, string>, position = '1763700000000-3') => ({
  position,
  shard: 2,
  fields: { v: '1', id: 'e', tenant: 'default', at: '1763700000000', ...fields },
});
const session = JSON.stringify({
  id: 's',
  attempt: 2,
  user: null,
  node: 'n',
  groups: ['trunk:w'],
  metadata: { a: '\0' },
  from: 'x\0y\ud800',
});

describe('an entry of the outbox', () => {
  it('of an admission begins the session at its time, with the levels of its moment', () => {
    const event = historyEvent(
      entry({ type: 'session.admitted', session, userActive: '0', totalActive: '7', groupsActive: '{"trunk:w":3}' }),
    );
    expect(event).toMatchObject({ kind: 'live', begins: true, startedAtMs: 1_763_700_000_000 });
    expect(event?.levels).toEqual([
      { scope: 'total', name: '2', active: 7, peak: 7 },
      { scope: 'group', name: 'trunk:w', active: 3, peak: 3 },
    ]);
  });

  it('of an end has the level before it as peak, and of a transfer that of the old user', () => {
    const ended = historyEvent(
      entry({
        type: 'session.ended',
        sessionId: 's',
        attempt: '1',
        user: 'al',
        node: '',
        startedAt: '1',
        endedAt: '5',
        reason: 'killed',
        note: '',
        userActive: '1',
      }),
    );
    expect(ended).toMatchObject({ kind: 'ended', levels: [{ scope: 'user', name: 'al', active: 1, peak: 2 }] });
    const transferred = historyEvent(
      entry({ type: 'session.transferred', session, startedAt: '1', fromUser: 'al', fromUserActive: '0' }),
    );
    expect(transferred?.levels).toContainEqual({ scope: 'user', name: 'al', active: 0, peak: 1 });
  });

  it('holds no character that a database refuses', () => {
    const event = historyEvent(entry({ type: 'session.admitted', session }));
    expect(event).toMatchObject({ session: { from: 'x\uFFFDy\uFFFD', metadata: '{"a":"\\u0000"}' } });
  });

  it('of a sum of refusals is dated by the second that it sums', () => {
    const fields = {
      type: 'session.rejected',
      user: 'al',
      limits: '[{"scope":"user","key":"al","max":1,"active":1}]',
      count: '9',
      since: '1763600000000',
    };
    expect(historyEvent(entry(fields))).toMatchObject({
      kind: 'refused',
      sessionId: '',
      count: 9,
      atMs: 1_763_600_000_000,
    });
  });

  it('says what a limit does, where the event does', () => {
    const limits = (more: object) => JSON.stringify([{ scope: 'user', key: 'al', max: 1, active: 1, ...more }]);
    const refused = (more: object) => historyEvent(entry({ type: 'session.rejected', limits: limits(more) }));
    expect(refused({ action: 'terminate_oldest' })).toMatchObject({ limits: [{ action: 'terminate_oldest' }] });
    expect(refused({})).toHaveProperty('limits', [{ scope: 'user', key: 'al', max: 1, active: 1 }]);
  });

  it.each(['node.lost', 'fuse.tripped', 'creation.alert', ''])('of type %j is nothing to history', (type) => {
    expect(historyEvent(entry({ type }))).toBeNull();
  });

  it.each([
    ['at', { type: 'session.admitted', session, at: '-1' }],
    ['at', { type: 'session.admitted', session, at: '9'.repeat(15) }],
    ['session', { type: 'session.admitted', session: '{' }],
    ['session.id', { type: 'session.admitted', session: '{}' }],
    ['startedAt', { type: 'session.confirmed', session }],
    ['reason', { type: 'session.ended', sessionId: 's', startedAt: '1', endedAt: '2', reason: 'tired' }],
    ['sessionId', { type: 'session.ended', startedAt: '1', endedAt: '2', reason: 'killed' }],
    [
      'bytesSent',
      { type: 'session.ended', sessionId: 's', startedAt: '1', endedAt: '2', reason: 'killed', bytesSent: '1e30' },
    ],
    ['limits', { type: 'session.rejected', limits: 'x' }],
    ['from', { type: 'events.lost', to: '1', entries: '1' }],
  ])('with a wrong %s is refused by that name', (path, fields) => {
    expect(() => historyEvent(entry(fields as Record<string, string>))).toThrow(expect.objectContaining({ path }));
  });

  it('without a place in its stream is refused', () => {
    expect(() => historyEvent(entry({ type: 'session.admitted', session }, 'x'))).toThrow(
      expect.objectContaining({ path: 'position' }),
    );
  });
});
