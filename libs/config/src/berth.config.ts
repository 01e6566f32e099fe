import type { IdentityRules, LimitsLayer, NodePolicy, SessionPolicy } from '#session-core';

import type { RedisMode, RedisNodeAddress } from './redis-address.js';
import type { LOG_LEVELS, ROLES } from './schema/services.schema.js';

export type LogLevel = (typeof LOG_LEVELS)[number];
export type Role = (typeof ROLES)[number];

/** Where Redis is and how long it may take. */
export interface RedisConfig {
  /** Whether the file or the environment says anything of the connection; if not, what stands here are defaults. */
  named: boolean;
  mode: RedisMode;
  /** The server; the sentinels; or the cluster nodes to begin with. */
  nodes: RedisNodeAddress[];
  /** The name under which sentinels know the master; null in other modes. */
  masterName: string | null;
  username: string | null;
  password: string | null;
  database: number;
  tls: RedisTls | null;
  /** What the sentinels themselves want; null in other modes. */
  sentinel: SentinelAccess | null;
  /** A decision's command without an answer by then has failed. */
  deadlineMs: number;
}

export interface SentinelAccess {
  username: string | null;
  password: string | null;
  tls: RedisTls | null;
}

/** The contents of the PEM files, not their paths. */
export interface RedisTls {
  ca?: string;
  cert?: string;
  key?: string;
  serverName?: string;
}

/** The contents of the PEM files that HTTPS is served with; they fit each other. */
export interface HttpTls {
  cert: string;
  key: string;
  /** Authorities of client certificates; null: none is asked for. */
  clientCa: string | null;
}

export interface IdentityConfig extends IdentityRules {
  /** 0: unlimited. It is also in the tenant's limits, as that of the user `anonymous`. */
  anonymousLimit: number;
}

export interface TenantConfig {
  name: string;
  shards: number;
  /** The file layer of the tenant's limits; users in canonical form. */
  limits: LimitsLayer;
  /** By protocol, always with `default`. */
  sessions: Record<string, SessionPolicy>;
  tombstoneMs: number;
  identity: IdentityConfig;
}

/** By name. The sections at the top of the file are those of `default`. */
export type Tenants = Record<string, TenantConfig> & { default: TenantConfig };

export interface SipAnswer {
  code: number;
  reason: string;
}

export interface AuthKey {
  id: string;
  /** SHA-256 of the key, 64 lower-case hexadecimal digits. */
  hash: string;
  role: Role;
  tenant: string;
  /** Globs of the nodes it may speak for; null for all. */
  nodes: string[] | null;
  emergency: boolean;
}

/** Where the commands of some nodes are POSTed to. */
export interface WebhookConfig {
  /** Glob of the nodes. */
  nodes: string;
  url: string;
  /** Signs the requests. */
  secret: string;
}

/** Past sessions are kept in a database. */
export interface HistoryConfig {
  /** As `HistoryDatabase.open` takes it; it may contain a password. */
  url: string;
  /** Events in one transaction. */
  batchSize: number;
  /** How long fewer than that wait for more. */
  batchIntervalMs: number;
  retentionMs: number;
  cleanupIntervalMs: number;
  /** The window of statistics where the caller names none, hours. */
  statsWindowHours: number;
  /** What becomes of the rows of a person who is erased. */
  erase: 'pseudonymise' | 'remove';
}

/** The whole configuration of one process, checked and complete. Durations are milliseconds, 0 for none. */
export interface BerthConfig {
  /** The file that was read, as the operator named it; null if there was none. */
  file: string | null;
  /** What the operator should know; the app logs each at start. */
  warnings: string[];
  host: string;
  gatewayPort: number;
  grpcPort: number;
  adminPort: number;
  reaperPort: number;
  /** That of `/metrics` without a key; 0: none. */
  metricsPort: number;
  dataDir: string;
  redis: RedisConfig;
  nodes: NodePolicy;
  /** The first webhook whose glob fits a node counts. */
  commands: { webhooks: WebhookConfig[]; allowPrivate: boolean };
  reaper: { sweepIntervalMs: number };
  sip: Record<'user' | 'group' | 'ipRate' | 'total' | 'unavailable' | 'ended', SipAnswer>;
  /** Null: none is kept. */
  history: HistoryConfig | null;
  store: { decisionDeadlineMs: number };
  /** Networks as `parseNetwork` takes them. */
  http: { trustedProxies: string[]; tls: HttpTls | null };
  /** `tls`: that of `http`, unless the file says another. */
  grpc: { maxConnectionAgeMs: number; tls: HttpTls | null };
  /** How long a process that drains serves on. */
  shutdown: { graceMs: number };
  metrics: {
    /** Whose metric names are exported besides Berth's own. */
    compat: 'none' | 'rustsocks';
    topUsers: number;
  };
  logging: { level: LogLevel; hashUsers: boolean; hashKey: string | null };
  tenants: Tenants;
  auth: { keys: AuthKey[] };
}

/** How long a session of this protocol may last; that of `default` where the protocol has no section of its own. */
export function policyFor(tenant: TenantConfig, protocol: string): SessionPolicy {
  const own = Object.hasOwn(tenant.sessions, protocol) ? tenant.sessions[protocol] : undefined;
  const policy = own ?? tenant.sessions['default'];
  if (policy === undefined) throw new Error(`tenant ${tenant.name} has no default session policy`);
  return policy;
}
