/** What a session, or a refusal, has come to. */
export const STATUSES = ['active', 'closed', 'failed', 'rejected_by_acl', 'rejected_by_limit'] as const;
export type Status = (typeof STATUSES)[number];

/** What no two rows have in common. */
export type RowKey = Pick<SessionRow, 'tenant' | 'session_id' | 'start_time'>;

/** A row of the table `sessions`. Times are RFC 3339 UTC with milliseconds, so that their order is that of the text. */
export interface SessionRow {
  session_id: string;
  user: string;
  start_time: string;
  end_time: string | null;
  duration_secs: number | null;
  source_ip: string;
  source_port: number;
  dest_ip: string;
  dest_port: number;
  protocol: string;
  bytes_sent: number;
  bytes_received: number;
  packets_sent: number;
  packets_received: number;
  status: Status;
  close_reason: string | null;
  acl_rule_matched: string | null;
  acl_decision: string | null;
  tenant: string;
  attempt: number;
  node: string;
  epoch: number | null;
  state: string;
  /** JSON list. */
  groups: string;
  priority: string;
  from_uri: string | null;
  to_uri: string | null;
  direction: string | null;
  correlation_id: string | null;
  /** JSON object. */
  metadata: string | null;
  note: string;
  /** 1 or 0. */
  authenticated: number;
  /** How many refusals the row stands for; 0 for a session. */
  refusals: number;
  /** What refused: `user`, `group`, `ip`, `total`, `acl`; '' for a session. */
  refused_by: string;
  /** JSON list of the limits that were full; null for a session. */
  limits: string | null;
  /** The id of the refusal's event; '' for a session. */
  event_id: string;
  /** The newest event that has the session's owner and whether it lives; null before any did. */
  version: string | null;
  /** The newest event that had all about it. */
  facts_version: string | null;
  /** The key or person that had the session ended; null where nobody did. */
  ended_by: string | null;
  /** Rises with each change of a row that is over, or was, across all rows; null for a session that has not ended yet. */
  revision: number | null;
}

type Type = 'text' | 'bigint';

/** The columns in the order of the table, with what SQL needs to read them from JSON. */
export const COLUMNS = {
  session_id: 'text',
  user: 'text',
  start_time: 'text',
  end_time: 'text',
  duration_secs: 'bigint',
  source_ip: 'text',
  source_port: 'bigint',
  dest_ip: 'text',
  dest_port: 'bigint',
  protocol: 'text',
  bytes_sent: 'bigint',
  bytes_received: 'bigint',
  packets_sent: 'bigint',
  packets_received: 'bigint',
  status: 'text',
  close_reason: 'text',
  acl_rule_matched: 'text',
  acl_decision: 'text',
  tenant: 'text',
  attempt: 'bigint',
  node: 'text',
  epoch: 'bigint',
  state: 'text',
  groups: 'text',
  priority: 'text',
  from_uri: 'text',
  to_uri: 'text',
  direction: 'text',
  correlation_id: 'text',
  metadata: 'text',
  note: 'text',
  authenticated: 'bigint',
  refusals: 'bigint',
  refused_by: 'text',
  limits: 'text',
  event_id: 'text',
  version: 'text',
  facts_version: 'text',
  ended_by: 'text',
  revision: 'bigint',
} as const satisfies Record<keyof SessionRow, Type>;

export const COLUMN_NAMES = Object.keys(COLUMNS) as (keyof SessionRow)[];

/** The columns that the end of a session changes; none but `status` and `revision` is in an index. */
export const LIFE_COLUMNS = [
  'end_time',
  'duration_secs',
  'bytes_sent',
  'bytes_received',
  'packets_sent',
  'packets_received',
  'status',
  'close_reason',
  'state',
  'note',
  'ended_by',
  'version',
  'revision',
] as const satisfies readonly (keyof SessionRow)[];

/** A session of which nothing is known but its key; the columns in the order of the table, as in every row, so that the engine sees one shape. */
export function blankRow({ tenant, session_id, start_time }: RowKey, attempt: number): SessionRow {
  return {
    session_id,
    user: '',
    start_time,
    end_time: null,
    duration_secs: null,
    source_ip: '',
    source_port: 0,
    dest_ip: '',
    dest_port: 0,
    protocol: '',
    bytes_sent: 0,
    bytes_received: 0,
    packets_sent: 0,
    packets_received: 0,
    status: 'active',
    close_reason: null,
    acl_rule_matched: null,
    acl_decision: null,
    tenant,
    attempt,
    node: '',
    epoch: null,
    state: 'active',
    groups: '[]',
    priority: 'normal',
    from_uri: null,
    to_uri: null,
    direction: null,
    correlation_id: null,
    metadata: null,
    note: '',
    authenticated: 0,
    refusals: 0,
    refused_by: '',
    limits: null,
    event_id: '',
    version: null,
    facts_version: null,
    ended_by: null,
    revision: null,
  };
}

export const isRefusal = (row: SessionRow): boolean => row.refusals > 0;

/** Whether the session went on under another id: a row of its own, with the same start and all totals. */
export const isHandedOver = (row: SessionRow): boolean => row.close_reason === 'transferred';

/** Milliseconds as the table has them. */
export const timeText = (ms: number): string => new Date(ms).toISOString();
