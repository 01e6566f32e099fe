import { expect, it } from '@jest/globals';

import { describeDatabases } from '../../test/databases.fixture.js';
import { World } from '../../test/world.fixture.js';

const COLUMNS =
  'session_id user start_time end_time duration_secs source_ip source_port dest_ip dest_port protocol bytes_sent bytes_received packets_sent packets_received status close_reason acl_rule_matched acl_decision';

describeDatabases('the queries that users of a SOCKS proxy have written', ({ open, url, query, kind }) => {
  if (kind !== 'sqlite') {
    it('find the same columns in PostgreSQL, `user` in quotes', async () => {
      const at = await url();
      await open({ url: at });
      expect(
        await query(at, `select ${COLUMNS.replace('user', '"user"').replaceAll(' ', ', ')} from sessions`),
      ).toEqual([]);
    });
    return;
  }

  it('run as they were written', async () => {
    const at = await url();
    const database = await open({ url: at });
    const now = Date.now();
    const { events } = new World(now - 10 * 60_000).run([
      { what: 'admit', who: 0, which: 2, afterMs: 0 },
      { what: 'admit', who: 1, which: 2, afterMs: 60_000 },
      { what: 'traffic', who: 0, which: 100, afterMs: 1_000 },
      { what: 'end', who: 0, which: 0, afterMs: 60_000 },
      { what: 'forbid', who: 7, which: 2, afterMs: 1_000 },
    ]);
    await database.apply(events);
    const ask = (text: string) => query<Record<string, unknown>>(at, text);

    const active = await ask(`SELECT user, dest_ip, dest_port, bytes_sent, bytes_received
      FROM sessions WHERE status = 'active';`);
    expect(active).toMatchObject([{ user: 'bob', dest_ip: 'example.com', dest_port: 443, bytes_sent: 0 }]);
    const rejected = await ask(`SELECT user, dest_ip, dest_port, acl_rule_matched
      FROM sessions WHERE status = 'rejected_by_acl';`);
    expect(rejected).toMatchObject([{ user: 'carol', acl_rule_matched: 'no "east"' }]);
    const top = await ask(`SELECT user,
             SUM(bytes_sent + bytes_received) as total_bytes,
             COUNT(*) as sessions
      FROM sessions
      GROUP BY user
      ORDER BY total_bytes DESC
      LIMIT 10;`);
    expect(top[0]).toMatchObject({ user: 'alice', total_bytes: 1_100, sessions: 1 });
    const lastHour = await ask(`SELECT * FROM sessions
      WHERE datetime(start_time) >= datetime('now', '-1 hour');`);
    expect(lastHour).toHaveLength(3);
    const buckets = await ask(`SELECT
          strftime('%Y-%m-%d %H:00', start_time) as hour,
          COUNT(*) as sessions,
          SUM(bytes_sent + bytes_received) as total_bytes
      FROM sessions
      WHERE datetime(start_time) >= datetime('now', '-24 hours')
      GROUP BY hour
      ORDER BY hour;`);
    expect(buckets.reduce((sum, { sessions }) => sum + Number(sessions), 0)).toBe(3);
    expect(buckets[0]?.['hour']).toMatch(/^\d{4}-\d\d-\d\d \d\d:00$/);
  });

  it('find the columns first and in their order, and the three indices', async () => {
    const at = await url();
    await open({ url: at });
    const columns = await query<{ name: string }>(at, 'pragma table_info(sessions)');
    expect(columns.slice(0, 18).map(({ name }) => name)).toEqual(COLUMNS.split(' '));
    const key = (await query<{ name: string; pk: number }>(at, 'pragma table_info(sessions)')).filter(
      ({ pk }) => pk > 0,
    );
    expect(key.toSorted((a, b) => a.pk - b.pk).map(({ name }) => name)).toEqual(['tenant', 'session_id', 'start_time']);
    for (const column of ['user', 'start_time', 'status']) {
      const found = await query<{ seqno: number; name: string }>(at, `pragma index_info(idx_sessions_${column})`);
      expect(found[0]).toMatchObject({ seqno: 0, name: column });
    }
  });
});
