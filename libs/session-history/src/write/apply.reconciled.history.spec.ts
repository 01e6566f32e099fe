import { expect, it } from '@jest/globals';

import { historyEvent } from '../model/event.mapper.js';
import type { HistoryEvent } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { allRows, unnumbered } from '../../test/rows.fixture.js';

const NOON = Date.UTC(2026, 10, 20, 12);

/** As the outbox says it; `at` is the second after noon. */
function ended(n: number, at: number, fields: Record<string, string>): HistoryEvent {
  const event = historyEvent({
    position: `${NOON + 1_000 * at}-${n}`,
    shard: 0,
    fields: { id: `e${n}`, tenant: 'default', at: String(NOON + 1_000 * at), ...fields },
  });
  if (event === null) throw new Error('Nothing of that goes into history');
  return event;
}
const time = (at: number) => String(NOON + 1_000 * at);
const admitted = (n: number, at: number, attempt = 1, id = 'a') =>
  ended(n, at, {
    type: 'session.admitted',
    session: JSON.stringify({ id, attempt, user: 'alice', node: 'n1', sourceIp: '192.0.2.1' }),
  });
const reconciled = (n: number, at: number, more: Record<string, string>) =>
  ended(n, at, {
    type: 'session.ended',
    sessionId: 'a',
    endedAt: time(at),
    reason: 'reconciled',
    note: 'its record was gone',
    totalActive: '0',
    ...more,
  });
const byStart = reconciled(2, 60, { user: 'alice', startedAt: time(0), userActive: '0' });

describeDatabases('a session that ended without its record', ({ open }) => {
  const rows = async (...batches: HistoryEvent[][]) => {
    const database = await open();
    for (const batch of batches) await database.apply(batch);
    return unnumbered(await allRows(database, 'default'));
  };
  const CLOSED = {
    session_id: 'a',
    user: 'alice',
    node: 'n1',
    attempt: 3,
    source_ip: '192.0.2.1',
    status: 'failed',
    close_reason: 'reconciled',
    duration_secs: 60,
    note: 'its record was gone',
  };

  it('closes the row of its user and start, whichever attempt it was, in every order and grouping', async () => {
    const start = admitted(1, 0, 3);
    const once = await rows([start, byStart]);
    expect(once).toMatchObject([CLOSED]);
    for (const batches of [
      [[start], [byStart]],
      [[byStart], [start]],
      [[byStart, start]],
      [
        [start, byStart],
        [byStart, start],
      ],
    ]) {
      expect(await rows(...batches)).toEqual(once);
    }
  });

  it('has a row of its own where history never heard of its start', async () => {
    expect(await rows([byStart])).toMatchObject([
      { session_id: 'a', user: 'alice', status: 'failed', duration_secs: 60 },
    ]);
  });

  it.each([
    ['in one batch', (events: HistoryEvent[]) => [events]],
    ['one by one', (events: HistoryEvent[]) => events.map((event) => [event])],
    ['repeated', (events: HistoryEvent[]) => [events, events, events.slice(1)]],
  ])('without a start closes the one of its id that has not ended, %s', async (_, grouped) => {
    const events = [
      admitted(1, -200, 1),
      ended(2, -100, {
        type: 'session.ended',
        sessionId: 'a',
        attempt: '1',
        user: 'alice',
        node: 'n1',
        startedAt: time(-200),
        endedAt: time(-100),
        reason: 'completed',
      }),
      admitted(3, 0, 3),
      admitted(4, 0, 1, 'b'),
      reconciled(5, 60, {}),
      admitted(6, 90, 4),
    ];
    const found = await rows(...grouped(events));
    expect(
      found.toSorted((x, y) => `${x.session_id}${x.start_time}`.localeCompare(`${y.session_id}${y.start_time}`)),
    ).toMatchObject([
      { session_id: 'a', close_reason: 'completed' },
      CLOSED,
      { session_id: 'a', status: 'active', attempt: 4 },
      { session_id: 'b', status: 'active' },
    ]);
  });

  it('closes nothing where nothing of its id is open', async () => {
    expect(await rows([reconciled(1, 0, {})])).toEqual([]);
    expect(await rows([admitted(1, 10, 1), reconciled(2, 5, {})])).toMatchObject([{ status: 'active' }]);
  });
});
