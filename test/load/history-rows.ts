import Libsql from 'libsql';

const DAYS = 90;
/** Rows of one statement, so that the log of the file stays small. */
const AT_ONCE = 250_000;
/** Most users call seldom and some all day: user number n of these has a share like 1/sqrt(n). */
const USERS = 50_000;
const DESTINATIONS = 5_000;
/** Columns that later migrations added, null here. */
const EMPTY = new Set(['ended_by', 'revision']);
const COMMON = `'default' as tenant, 1 as attempt, 'b2bua-' || (i % 8) as node, 1763700000000 as epoch`;

/**
 * Fills a history file with `rows` rows over the last 90 days, newest now, and with the sums of them, by SQL within the database: some
 * minutes where event by event would take an hour. One in a hundred is a refusal, one in fifty failed, the newest thousand are live.
 */
export function fillHistory(path: string, rows: number): void {
  const file = new Libsql(path);
  file.exec('pragma synchronous = off; pragma cache_size = -1000000; pragma temp_store = memory');
  const indices = file
    .prepare(`select name, sql from sqlite_master where type = 'index' and sql is not null`)
    .all() as { name: string; sql: string }[];
  for (const { name } of indices) file.exec(`drop index ${name}`);
  const named = (file.prepare(`select name from pragma_table_info('sessions')`).all() as { name: string }[])
    .map(({ name }) => name)
    .filter((name) => !EMPTY.has(name));
  for (let from = 0; from < rows; from += AT_ONCE) {
    file.exec(`insert into sessions (${named.join(', ')}) ${sessions(rows, from, Math.min(rows, from + AT_ONCE))}`);
  }
  for (const statement of sums()) file.exec(statement);
  for (const { sql } of indices) file.exec(sql);
  file.close();
}

function sessions(rows: number, from: number, until: number): string {
  const stepMs = (DAYS * 86_400_000 - 3_600_000) / rows;
  const random = '(abs(random() % 4294967296) / 4294967296.0)';
  return `with recursive number(i) as (select ${from} union all select i + 1 from number where i < ${until - 1}),
    chosen as materialized (select i, ${random} as a, ${random} as b, ${random} as c,
      case when i % 100 = 99 then 1 else 0 end as refused, i > ${rows - 1_000} as live, i % 50 = 7 as failed,
      ${Date.now() - DAYS * 86_400_000 + 3_600_000} + cast(i * ${stepMs} as integer) as ms from number)
    select 'call-' || printf('%08d', i) || '@pc33.example.com', 'user' || cast(a * a * ${USERS} as integer),
      ${time('ms')}, case when refused or live then null else ${time('ms + 1000 * cast(b * 600 as integer)')} end,
      case when refused or live then null else cast(b * 600 as integer) end, '192.0.2.' || (i % 250), 5060,
      case when refused then '' else 'host' || cast(b * b * ${DESTINATIONS} as integer) || '.example.com' end, 5060, 'sip',
      case when refused then 0 else cast(c * c * 1000000 as integer) end, case when refused then 0 else cast(c * 500000 as integer) end, 0, 0,
      case when refused then 'rejected_by_limit' when live then 'active' when failed then 'failed' else 'closed' end,
      case when refused or live then null when failed then 'node_lost' else 'completed' end, null, null,
      ${COMMON}, case when refused then 'rejected' when live then 'active' else 'ended' end, '[]', 'normal',
      '"Alice Young" <sip:alice@example.com>;tag=1928301774', 'sip:+14155550' || (i % 1000) || '@example.com', 'inbound', null,
      '{"userAgent":"Yealink SIP-T46U 108.86.0.20"}', '', 1, refused, case when refused then 'user' else '' end,
      case when refused then '[{"scope":"user","key":"x","max":5,"active":5}]' end, case when refused then 'r' || i else '' end,
      case when refused then null else '01763700000000-0000000000' end, case when refused then null else '' end
    from chosen`;
}

function time(ms: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%S', (${ms}) / 1000, 'unixepoch') || printf('.%03dZ', (${ms}) % 1000)`;
}

/**
 * The sums as the writer keeps them: by the hour from the rows, by the day and of all time from those; of users and destinations the last two
 * hours are open, and not yet in the others.
 */
function sums(): string[] {
  const rank: Record<string, string> = { user: 'bytes_sent + bytes_received', destination: 'sessions' };
  const columns = 'entries, sessions, ended, bytes_sent, bytes_received, duration_secs, refusals';
  const all = `count(*), sum(refusals = 0), sum(end_time is not null), sum(bytes_sent), sum(bytes_received), sum(coalesce(duration_secs, 0)),
    sum(refusals)`;
  const counted = 'count(*), sum(refusals = 0), 0, 0, 0, 0, sum(refusals)';
  const into = `insert into rollups (tenant, scope, name, span, bucket, ${columns}, rank, peak, active, active_version)`;
  const open = new Date(Date.now() - 3_600_000).toISOString().slice(0, 13);
  const hours = (scope: string, name: string, what: string, which: string) =>
    `${into} select 'default', '${scope}', ${name}, 1, substr(start_time, 1, 13), ${what}, null, 0, null, null from sessions where ${which}
      group by ${name}, substr(start_time, 1, 13)`;
  const opened = (scope: string) =>
    `update rollups set rank = ${rank[scope]} where tenant = 'default' and scope = '${scope}' and span = 1 and bucket >= '${open}'`;
  const wider = (scope: string, span: number, bucket: string, from: string) => {
    const added = columns.replaceAll(/\w+/g, 'sum($&)');
    const ranked = rank[scope]?.replaceAll(/\w+/g, 'sum($&)') ?? 'null';
    return `${into} select tenant, scope, name, ${span}, ${bucket}, ${added}, ${ranked}, 1, null, null from rollups
      where tenant = 'default' and scope = '${scope}' and ${from} group by name, ${bucket}`;
  };
  const scopes: [string, string, string, string][] = [
    ['total', `''`, all, '1'],
    ['status', 'status', counted, '1'],
    ['reason', 'close_reason', counted, 'close_reason is not null'],
    ['refusal', 'refused_by', counted, 'refusals > 0'],
    ['user', 'user', all, '1'],
    ['destination', `dest_ip || ':' || dest_port`, counted, `dest_ip <> ''`],
  ];
  return scopes.flatMap(([scope, name, what, which]) => [
    hours(scope, name, what, which),
    ...(scope in rank ? [opened(scope)] : []),
    wider(scope, 24, 'substr(bucket, 1, 10)', 'span = 1 and rank is null'),
    ...(scope in rank ? [wider(scope, 0, `''`, 'span = 24')] : []),
  ]);
}
