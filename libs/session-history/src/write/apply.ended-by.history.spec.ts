import { expect, it } from '@jest/globals';

import { describeDatabases } from '../../test/databases.fixture.js';
import { endedEvent, startedEvent } from '../../test/ended-by.fixture.js';

describeDatabases('who ended a session', ({ emptyAfter, open, query }) => {
  it('is in its row, whatever the order and grouping of its events', async () => {
    const [start, end] = [startedEvent('a'), endedEvent('a', { by: 'ops-1' })];
    for (const batches of [[[start], [end]], [[end], [start]], [[start, end]], [[end, start]], [[end], [start, end]]]) {
      const database = await open();
      for (const batch of batches) await database.apply(batch);
      const { rows } = await database.history('default');
      expect(rows).toMatchObject([{ status: 'closed', close_reason: 'killed', ended_by: 'ops-1' }]);
    }
  });

  it('is what the newest end says, and nobody for one that lives again', async () => {
    const database = await open();
    const lost = endedEvent('a', { reason: 'node_lost', afterMs: 1_000 });
    const back = startedEvent('a', { adoptedAfterMs: 2_000 });
    const killed = endedEvent('a', { by: 'ops-1', afterMs: 3_000 });
    await database.apply([killed, startedEvent('a'), lost]);
    expect((await database.history('default')).rows).toMatchObject([{ ended_by: 'ops-1' }]);
    const other = await open();
    await other.apply([startedEvent('a'), endedEvent('a', { by: 'ops-1', afterMs: 1_000 }), back]);
    expect((await other.history('default')).rows).toMatchObject([{ status: 'active', ended_by: null }]);
  });

  it('is nobody in rows from before, and can be written in a database from before', async () => {
    const where = await emptyAfter('0001-sessions-and-rollups');
    await query(
      where,
      `insert into sessions (session_id, "user", start_time, source_ip, source_port, dest_ip, dest_port, protocol, bytes_sent,
        bytes_received, packets_sent, packets_received, status, tenant, attempt, node, state, groups, priority, note, authenticated,
        refusals, refused_by, event_id) values ('old', 'alice', '2026-01-01T00:00:00.000Z', '', 0, '', 0, 'sip', 0, 0, 0, 0,
        'active', 'default', 1, '', 'active', '[]', 'normal', '', 1, 0, '', '') returning session_id`,
    );
    const database = await open({ url: where });
    await database.apply([startedEvent('a'), endedEvent('a', { by: 'ops-1' })]);
    expect(await query(where, 'select session_id, ended_by from sessions order by start_time')).toEqual([
      { session_id: 'old', ended_by: null },
      { session_id: 'a', ended_by: 'ops-1' },
    ]);
  });
});
