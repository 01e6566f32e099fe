// Written by `npm run client-types` from the operations of admission-gateway and limits-admin.
// Longer than 300 lines: it is one document in another language, and nobody edits it.

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

/** One result for each event, in their order */
export interface Published {
  results: {
    /** Of the event in the list */
    index: number;
    /** That a call of its own would have had */
    status: number;
    code?: string;
    /** What went wrong, or what the last part of a snapshot was answered */
    detail?: unknown;
  }[];
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
}

/** A session that the node has to hang up */
export interface Command {
  commandId: string;
  sessionId: string;
  attempt: number;
  /** Why it ended */
  reason: string;
}

/** How often to beat, and whether a snapshot is wanted */
export interface Beat {
  /** Without a beat for so long the node is lost, and what it holds ends */
  leaseSeconds: number;
  /** How often to beat */
  beatSeconds: number;
  /** Send the list of what is held, with this mark */
  snapshotWanted: boolean;
  mark: string;
  /** The store's clock */
  now: string;
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
}

/** What came of the list */
export interface Snapshot {
  /** Whether this was the last part; the figures are those of the whole */
  complete: boolean;
  /** Sessions that were not on the books and are now */
  adopted: number;
  /** Sessions whose end was provisional and that live again */
  restored: number;
  /** Sessions that the node does not hold; they have ended */
  dropped: number;
  /** Sessions that another node holds */
  elsewhere: number;
  /** Sessions that have ended: hang them up */
  hangUp: string[];
  /** The fuse that keeps the snapshot from ending anything */
  suspended?: string;
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
}

/** The session may start */
export interface Admitted {
  decision: 'admitted';
  session: Session;
  limits: LimitState[];
  /** Sessions that were ended to make room; their nodes get commands to hang up */
  terminated: {
    id: string;
    node: string | null;
    /** RFC 3339, UTC, with milliseconds */
    startedAt: string;
  }[];
  /** Of the limits that decided */
  policyVersion: number;
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
}

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

/** A session that has ended; what is not kept of it is absent */
export interface EndedSession {
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
  from?: string | null;
  to?: string | null;
  sourceIp?: string | null;
  sourcePort?: number | null;
  /** host:port, as RFC 5952 writes addresses */
  destination?: string | null;
  protocol?: string;
  direction?: 'inbound' | 'outbound' | null;
  correlationId?: string | null;
  /** kind:name, with those that each is within */
  groups?: string[];
  channels?: {
    id: string;
    type: 'session' | 'direct-tcpip' | 'forwarded-tcpip';
    host?: string;
    port?: number;
    openedAt?: string;
  }[];
  metadata?: Record<string, unknown> | null;
  state: 'ended';
  /** RFC 3339, UTC, with milliseconds */
  endedAt: string;
  endReason:
    | 'completed'
    | 'idle_timeout'
    | 'max_duration'
    | 'reservation_expired'
    | 'node_lost'
    | 'node_restarted'
    | 'reconciled'
    | 'evicted'
    | 'killed'
    | 'transferred';
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

/** The session as it is now */
export interface SessionNow {
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
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
}

/** The problem that the admission would be answered with */
export interface WouldBeRefused {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  decision?: 'rejected';
  limits?: LimitState[];
  policyVersion?: number;
  currentEpoch?: number | null;
  /** What a SIP server should answer its caller */
  sip: { code: number; reason: string };
  /** What was ignored, or taken otherwise than written */
  warnings?: string[];
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
  /** Takes events of many sessions; each has a result of its own */
  events_publish: { params: {}; query: {}; body: { events: Record<string, unknown>[] }; answer: Published };
  /** Streams the commands of the node as server-sent events */
  commands_stream: { params: { node: string }; query: {}; body: undefined; answer: undefined };
  /** Reports the result of a command */
  commands_acknowledge: {
    params: { node: string; commandId: string };
    query: {};
    body: { result: 'done' | 'gone' | 'failed'; cause?: string | undefined };
    answer: undefined;
  };
  /** Lists the commands of the node, for clients that cannot hold a stream open */
  commands_poll: {
    params: { node: string };
    query: {};
    body: { max?: number | undefined };
    answer: {
      commands: Command[];
      /** More come once these are acknowledged */
      more: boolean;
      /** What was ignored, or taken otherwise than written */
      warnings?: string[];
    };
  };
  /** Takes a beat of the node */
  nodes_heartbeat: {
    params: { node: string };
    query: {};
    body: { epoch: number; activeSessions?: number | undefined };
    answer: Beat;
  };
  /** Takes leave of a node that goes for good, and ends what it holds */
  nodes_leave: { params: { node: string }; query: {}; body: { epoch: number }; answer: undefined };
  /** The same as PUT, for clients that cannot send PUT */
  nodes_postSnapshot: {
    params: { node: string };
    query: {};
    body: {
      epoch: number;
      mark: string | number;
      part?: number | undefined;
      parts?: number | undefined;
      sessions?:
        | {
            id: string;
            attempt?: number | undefined;
            user?: string | undefined;
            groups?: string[] | undefined;
            startedAt: string;
            state?: 'reserved' | 'active' | undefined;
          }[]
        | undefined;
      none?: boolean | undefined;
    };
    answer: Snapshot;
  };
  /** Takes the list of the sessions that the node holds, or a part of it */
  nodes_snapshot: {
    params: { node: string };
    query: {};
    body: {
      epoch: number;
      mark: string | number;
      part?: number | undefined;
      parts?: number | undefined;
      sessions?:
        | {
            id: string;
            attempt?: number | undefined;
            user?: string | undefined;
            groups?: string[] | undefined;
            startedAt: string;
            state?: 'reserved' | 'active' | undefined;
          }[]
        | undefined;
      none?: boolean | undefined;
    };
    answer: Snapshot;
  };
  /** Asks whether a session may start; an admitted one holds a slot from then on */
  sessions_create: {
    params: {};
    query: {};
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      from?: string | undefined;
      assertedIdentity?: string | undefined;
      user?: string | undefined;
      to?: string | undefined;
      node?: string | undefined;
      epoch?: number | undefined;
      userClass?: string | undefined;
      sourceIp?: string | undefined;
      sourcePort?: number | undefined;
      destination?: string | undefined;
      protocol?: string | undefined;
      direction?: 'inbound' | 'outbound' | undefined;
      correlationId?: string | undefined;
      groups?: string[] | undefined;
      state?: 'reserved' | 'active' | undefined;
      priority?: 'normal' | 'emergency' | undefined;
      ttlSeconds?: number | undefined;
      units?: 1 | undefined;
      metadata?: Record<string, unknown> | undefined;
    };
    answer: Admitted;
  };
  /** Ends a session; a value in the query wins over the same value in the body */
  sessions_remove: {
    params: { id: string };
    query: { user?: string | undefined; reason?: string | undefined; attempt?: string | undefined };
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      bytesSent?: number | undefined;
      bytesReceived?: number | undefined;
      packetsSent?: number | undefined;
      packetsReceived?: number | undefined;
      reason?: string | undefined;
    };
    answer: undefined;
  };
  /** Shows one session, live or ended */
  sessions_get: {
    params: { id: string };
    query: { user?: string | undefined };
    body: undefined;
    answer: Session | EndedSession | UnreadableSession;
  };
  /** Renews the idle time of a session, with its totals so far */
  sessions_activity: {
    params: { id: string };
    query: { user?: string | undefined };
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      bytesSent?: number | undefined;
      bytesReceived?: number | undefined;
      packetsSent?: number | undefined;
      packetsReceived?: number | undefined;
      channels?:
        | {
            id: string;
            type: 'session' | 'direct-tcpip' | 'forwarded-tcpip';
            host?: string | undefined;
            port?: number | undefined;
            openedAt?: string | undefined;
          }[]
        | undefined;
    };
    answer: {
      expiresAt: string | null;
      /** What was ignored, or taken otherwise than written */
      warnings?: string[];
    };
  };
  /** Gives a user to a session that was admitted without one */
  transfer_authenticate: {
    params: { id: string };
    query: { user?: string | undefined };
    body: { sessionId?: string | undefined; attempt?: number | undefined; user: string };
    answer: SessionNow;
  };
  /** Makes a reserved session active: the call was answered */
  sessions_confirm: {
    params: { id: string };
    query: { user?: string | undefined };
    body: { sessionId?: string | undefined; attempt?: number | undefined };
    answer: SessionNow;
  };
  /** Ends a session and frees its slot */
  sessions_end: {
    params: { id: string };
    query: { user?: string | undefined };
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      bytesSent?: number | undefined;
      bytesReceived?: number | undefined;
      packetsSent?: number | undefined;
      packetsReceived?: number | undefined;
      reason?: string | undefined;
    };
    answer: undefined;
  };
  /** Hands a session over to another node, and if named to another user or id */
  transfer_transfer: {
    params: { id: string };
    query: { user?: string | undefined };
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      node: string;
      epoch?: number | undefined;
      user?: string | undefined;
      newId?: string | undefined;
    };
    answer: SessionNow;
  };
  /** Answers what an admission would be answered, and changes nothing */
  sessions_check: {
    params: {};
    query: {};
    body: {
      sessionId?: string | undefined;
      attempt?: number | undefined;
      from?: string | undefined;
      assertedIdentity?: string | undefined;
      user?: string | undefined;
      to?: string | undefined;
      node?: string | undefined;
      epoch?: number | undefined;
      userClass?: string | undefined;
      sourceIp?: string | undefined;
      sourcePort?: number | undefined;
      destination?: string | undefined;
      protocol?: string | undefined;
      direction?: 'inbound' | 'outbound' | undefined;
      correlationId?: string | undefined;
      groups?: string[] | undefined;
      state?: 'reserved' | 'active' | undefined;
      priority?: 'normal' | 'emergency' | undefined;
      ttlSeconds?: number | undefined;
      units?: 1 | undefined;
      metadata?: Record<string, unknown> | undefined;
    };
    answer: Admitted | WouldBeRefused;
  };
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
  events_publish: { method: 'POST', path: '/v1/events' },
  commands_stream: { method: 'GET', path: '/v1/nodes/{node}/commands' },
  commands_acknowledge: { method: 'POST', path: '/v1/nodes/{node}/commands/{commandId}/ack' },
  commands_poll: { method: 'POST', path: '/v1/nodes/{node}/commands:poll' },
  nodes_heartbeat: { method: 'POST', path: '/v1/nodes/{node}/heartbeat' },
  nodes_leave: { method: 'POST', path: '/v1/nodes/{node}/leave' },
  nodes_postSnapshot: { method: 'POST', path: '/v1/nodes/{node}/sessions' },
  nodes_snapshot: { method: 'PUT', path: '/v1/nodes/{node}/sessions' },
  sessions_create: { method: 'POST', path: '/v1/sessions' },
  sessions_remove: { method: 'DELETE', path: '/v1/sessions/{id}' },
  sessions_get: { method: 'GET', path: '/v1/sessions/{id}' },
  sessions_activity: { method: 'POST', path: '/v1/sessions/{id}/activity' },
  transfer_authenticate: { method: 'POST', path: '/v1/sessions/{id}/authenticate' },
  sessions_confirm: { method: 'POST', path: '/v1/sessions/{id}/confirm' },
  sessions_end: { method: 'POST', path: '/v1/sessions/{id}/end' },
  transfer_transfer: { method: 'POST', path: '/v1/sessions/{id}/transfer' },
  sessions_check: { method: 'POST', path: '/v1/sessions:check' },
  sessions_active: { method: 'GET', path: '/api/sessions/active' },
  history_list: { method: 'GET', path: '/api/sessions/history' },
  statistics_stats: { method: 'GET', path: '/api/sessions/stats' },
  users_terminate: { method: 'DELETE', path: '/api/sessions/users/{username}/sessions' },
} as const satisfies Record<keyof Operations, { method: string; path: string }>;
