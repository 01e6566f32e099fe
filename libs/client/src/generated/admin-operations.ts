// Written by `npm run client-types` from the operations of limits-admin.
// Longer than 300 lines: it is one document in another language, and nobody edits it.

/** A live session */
export interface Session {
  id: string;
  attempt: number;
  tenant: string;
  /** null as long as nobody has authenticated */
  user: string | null;
  node: string | null;
  /** The start of the node that holds it */
  epoch: number | null;
  priority: 'normal' | 'emergency';
  authenticated: boolean;
  /** RFC 3339, UTC, with milliseconds */
  startedAt: string;
  /** RFC 3339, UTC, with milliseconds */
  lastActivityAt: string;
  /** When it ends unless it is active before */
  expiresAt: string | null;
  /** When it ends whatever happens */
  endsBy: string | null;
  bytesSent: number;
  bytesReceived: number;
  packetsSent: number;
  packetsReceived: number;
  from: string | null;
  to: string | null;
  sourceIp: string | null;
  sourcePort: number | null;
  /** host:port, as RFC 5952 writes addresses */
  destination: string | null;
  protocol: string;
  direction: 'inbound' | 'outbound' | null;
  correlationId: string | null;
  /** kind:name, with those that each is within */
  groups: string[];
  channels: {
    id: string;
    type: 'session' | 'direct-tcpip' | 'forwarded-tcpip';
    host?: string;
    port?: number;
    openedAt?: string;
  }[];
  metadata: Record<string, unknown> | null;
  state: 'reserved' | 'active';
}

/** A session whose record cannot be decoded; it can be ended like any other */
export interface UnreadableSession {
  id: string;
  attempt: null;
  tenant: string;
  user: string | null;
  node: null;
  epoch: null;
  priority: null;
  authenticated: boolean;
  startedAt: null;
  lastActivityAt: null;
  expiresAt: string | null;
  endsBy: null;
  bytesSent: null;
  bytesReceived: null;
  packetsSent: null;
  packetsReceived: null;
  from: null;
  to: null;
  sourceIp: null;
  sourcePort: null;
  destination: null;
  protocol: null;
  direction: null;
  correlationId: null;
  groups: string[];
  channels: {
    id: string;
    type: 'session' | 'direct-tcpip' | 'forwarded-tcpip';
    host?: string;
    port?: number;
    openedAt?: string;
  }[];
  metadata: null;
  state: 'unreadable';
}

/** What went wrong (RFC 9457) */
export interface Problem {
  /** urn:berth:problem: and the code */
  type: string;
  title: string;
  status: number;
  /** What went wrong, and what to do */
  detail: string;
  code:
    | 'invalid-request'
    | 'unauthorized'
    | 'forbidden'
    | 'not-found'
    | 'session-unknown'
    | 'method-not-allowed'
    | 'request-timeout'
    | 'ambiguous-session'
    | 'limits-conflict'
    | 'too-many-limits'
    | 'user-has-sessions'
    | 'session-id-conflict'
    | 'stale-epoch'
    | 'node-draining'
    | 'session-ended'
    | 'payload-too-large'
    | 'unsupported-media-type'
    | 'misdirected-request'
    | 'user-limit-exceeded'
    | 'group-limit-exceeded'
    | 'ip-rate-exceeded'
    | 'total-limit-exceeded'
    | 'too-many-attempts'
    | 'too-many-requests'
    | 'internal-error'
    | 'history-unavailable'
    | 'store-unavailable';
  /** Under /api: the sentence of detail */
  error?: string;
  /** Of invalid-request: each field, and what it should be */
  errors?: { path: string; message: string }[];
  /** Of a refusal by limits */
  decision?: 'rejected';
  /** Of a refusal: every limit that was full */
  limits?: LimitState[];
  /** Of a refusal: of the limits that decided */
  policyVersion?: number;
  /** Of stale-epoch: the present start of the node */
  currentEpoch?: number | null;
  /** What a SIP server should answer its caller */
  sip?: { code: number; reason: string };
}

/** One limit at the moment of the decision */
export interface LimitState {
  scope: 'user' | 'group' | 'ip' | 'total';
  /** The user, the group (kind:name) or the address; * for the total */
  key: string;
  /** 0: unlimited */
  max: number;
  active: number;
  /** Places of max that are kept free for its reserve */
  reserved?: number;
  /** It is only measured: it was full and refused nobody */
  observed?: true;
  /** Of a rate: after so long there is room again */
  retryAfterMs?: number;
}

/** A page of sessions and refusals */
export interface HistoryPage {
  data: HistoryRow[];
  total: number;
  page: number;
  page_size: number;
  total_pages: number;
  /** Where the next page begins; null at the end */
  nextCursor: string | null;
  /** There only where history lacks events of that time */
  gaps?: {
    /** RFC 3339, UTC, with milliseconds */
    from: string;
    /** RFC 3339, UTC, with milliseconds */
    to: string;
    /** At least so many are missing */
    events: number;
  }[];
}

/** A session or a refusal */
export interface HistoryRow {
  /** Of the session */
  id: string;
  /** Empty where it is not known */
  user: string;
  /** Empty where it is not known */
  source_ip: string;
  /** 0 where it is not known */
  source_port: number;
  /** The host of the destination; empty where it is not known */
  dest_ip: string;
  /** 0 where it is not known */
  dest_port: number;
  protocol: string;
  status: 'active' | 'closed' | 'failed' | 'rejected_by_acl' | 'rejected_by_limit';
  acl_decision: string | null;
  acl_rule: string | null;
  bytes_sent: number;
  bytes_received: number;
  packets_sent: number;
  packets_received: number;
  /** Of a refusal its moment */
  start_time: string;
  end_time: string | null;
  duration_seconds: number | null;
  close_reason: string | null;
  /** The id of the key that asked for the end; null where nobody did */
  ended_by: string | null;
}

/** How many sessions were ended */
export interface Terminated {
  success: true;
  /** Sessions that were ended */
  terminated: number;
  /** What was done, as a sentence */
  message: string;
}

/** What history says of the window, beside what is live now */
export interface Statistics {
  /** How far back, in hours; 0.25 of timeRange=15m */
  window_hours: number;
  /** Live now by the books, whenever they started */
  active_sessions: number;
  /** That started in the window, ended or not */
  total_sessions: number;
  /** Of those */
  total_bytes_sent: number;
  /** Of those */
  total_bytes_received: number;
  /** Of those sessions, by the most bytes */
  top_users: {
    user: string;
    sessions: number;
    /** In both directions */
    bytes: number;
  }[];
  /** Of those sessions, by the most of them */
  top_destinations: {
    /** host:port */
    dest: string;
    sessions: number;
  }[];
  /** Live at once since the beginning of the hour in which the window begins */
  peakConcurrentSessions: number;
  /** Seconds, of those that have ended; null if none has */
  averageDuration: number | null;
  /** Refusals by limits in the window */
  limitViolations: number;
  /** Live now with a user */
  authenticated_sessions: number;
  /** Live now and silent for more than half of their idle time */
  idle_sessions: number;
  /** Who have live sessions */
  unique_users: number;
  /** There where idle_sessions may be more */
  idle_sessions_at_least?: true;
  /** There only where history lacks events of that time */
  gaps?: {
    /** RFC 3339, UTC, with milliseconds */
    from: string;
    /** RFC 3339, UTC, with milliseconds */
    to: string;
    /** At least so many are missing */
    events: number;
  }[];
}

/** What each operation takes and answers. */

export interface Operations {
  /** Lists live sessions */
  sessions_active: {
    params: {};
    query: {
      /** Only those of this user */
      username?: string | undefined;
      /** Only those of this node */
      node?: string | undefined;
      /** The nextCursor of the page before; absent for the first */
      cursor?: string | undefined;
      /** The most on one page */
      limit?: number | undefined;
    };
    body: undefined;
    answer: {
      sessions: (Session | UnreadableSession)[];
      /** Where the next page begins; null at the end */
      nextCursor: string | null;
    };
  };
  /** Lists sessions and refusals, newest first by default */
  history_list: {
    params: {};
    query: {
      /** Only of this user, written in any way that names it */
      user?: string | undefined;
      /** Only of this user, written in any way that names it */
      username?: string | undefined;
      /** The host of the destination, without a port */
      dest_ip?: string | undefined;
      status?: 'active' | 'closed' | 'failed' | 'rejected_by_acl' | 'rejected_by_limit' | undefined;
      /** Of this session, all its attempts */
      session_id?: string | undefined;
      /** From this address, in any spelling */
      source_ip?: string | undefined;
      /** On this node; of a refusal the one that asked */
      node?: string | undefined;
      /** Of this group (kind:name); of refusals those whose limit of this group was full */
      group?: string | undefined;
      /** With this correlationId */
      correlation_id?: string | undefined;
      /** How far back, hours */
      hours?: number | undefined;
      /** How far back: seconds, or written as 15m, 2h, 7d */
      timeRange?: string | undefined;
      /** What began at this time or later, RFC 3339 */
      from?: string | undefined;
      /** What began before this time, RFC 3339 */
      to?: string | undefined;
      /** From 1 */
      page?: number | undefined;
      page_size?: number | undefined;
      limit?: number | undefined;
      sort_by?:
        | 'start_time'
        | 'end_time'
        | 'duration_seconds'
        | 'duration_secs'
        | 'bytes_sent'
        | 'bytes_received'
        | 'user'
        | 'status'
        | 'dest_ip'
        | undefined;
      sort_dir?: 'asc' | 'desc' | undefined;
      /** The nextCursor of the page before; absent for the first */
      cursor?: string | undefined;
    };
    body: undefined;
    answer: HistoryPage;
  };
  /** Shows what started within a window, and what is live now */
  statistics_stats: {
    params: {};
    query: {
      /** How far back, hours */
      window_hours?: number | undefined;
      /** How far back: seconds, or written as 15m, 2h, 7d */
      timeRange?: string | undefined;
    };
    body: undefined;
    answer: Statistics;
  };
  /** Ends all sessions of a user; their nodes get commands to hang up */
  users_terminate: {
    params: {
      /** A user in any form: alice, or a SIP address of alice */
      username: string;
    };
    query: {};
    body: {
      /** Why: in log, event and history */
      reason?: string | null | undefined;
    };
    answer: Terminated;
  };
}

/** Where each operation is found. */

export const OPERATIONS = {
  sessions_active: { method: 'GET', path: '/api/sessions/active' },
  history_list: { method: 'GET', path: '/api/sessions/history' },
  statistics_stats: { method: 'GET', path: '/api/sessions/stats' },
  users_terminate: { method: 'DELETE', path: '/api/sessions/users/{username}/sessions' },
} as const satisfies Record<keyof Operations, { method: string; path: string }>;
