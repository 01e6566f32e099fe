import { resolve } from 'node:path';

import { ConfigFiles } from './config-files.js';
import { ConfigError } from './config.error.js';
import type { AuthKey, BerthConfig } from './berth.config.js';
import { readEnvironment, type Environment, type EnvironmentSettings } from './environment.config.js';
import { resolveHistory } from './history.js';
import { resolveTls } from './http-tls.js';
import { issueLines } from './issues.js';
import { redisConnection } from './redis-connection.js';
import { fileSchema, type FileSettings } from './schema/file.schema.js';
import { resolvePorts } from './ports.js';
import { substitute } from './substitute.js';
import { resolveTenants } from './tenants.js';
import { settingsWithoutEffect, unsupportedSettings } from './unsupported.js';
import { readYamlFile } from './yaml-file.js';

export interface ConfigSource {
  env?: Environment;
  cwd?: string;
  /** Reads the files, and knows afterwards which; relative paths are its own affair. */
  files?: ConfigFiles;
}

export interface ConfigReading {
  config: BerthConfig;
  /** What the file says, complete with defaults; by its keys. */
  settings: FileSettings;
  /** Whether the file says anything at all. */
  isEmpty: boolean;
}

/** The configuration of a process; see `readConfig`. */
export function loadConfig(source: ConfigSource = {}): BerthConfig {
  return readConfig(source).config;
}

/**
 * Reads the configuration of a process: `BERTH_*` over `REDIS_*`, `SESSION_*`, `MAX_*`, `CLEANUP_*` over `limits:` and
 * `sessions:` over the `redis:` block over the defaults.
 *
 * Throws `ConfigError` with every problem that was found, not only the first.
 */
export function readConfig({
  env = process.env,
  cwd = process.cwd(),
  files = new ConfigFiles(cwd),
}: ConfigSource = {}): ConfigReading {
  const problems: string[] = [];
  const warnings: string[] = [];
  const environment = readEnvironment(env, problems, warnings);
  const { name, content } = readYamlFile(environment.BERTH_CONFIG, files);
  const written = withoutEmptySections(substitute(content, env, problems) as Record<string, unknown>);
  const parsed = fileSchema.safeParse(written);
  if (!parsed.success) problems.push(...issueLines(parsed.error.issues, written, fileSchema));
  if (!parsed.success || problems.length > 0) throw new ConfigError(name, problems);

  const settings = parsed.data;
  const source = { name, settings, written, environment, cwd, files };
  const config = resolveConfig(source, problems, warnings);
  if (problems.length > 0) throw new ConfigError(name, problems);
  return { config, settings, isEmpty: Object.keys(content).length === 0 };
}

interface Source {
  name: string | null;
  settings: FileSettings;
  written: Record<string, unknown>;
  environment: EnvironmentSettings;
  cwd: string;
  files: ConfigFiles;
}

function resolveConfig(
  { name, settings: file, written, environment: env, cwd, files }: Source,
  problems: string[],
  warnings: string[],
): BerthConfig {
  problems.push(...unsupportedSettings(file));
  warnings.push(...settingsWithoutEffect(file));
  const tenants = resolveTenants(file, written, env, problems, warnings);
  const deadlineMs = file.store.decision_deadline_ms;
  const dataDir = env.BERTH_DATA_DIR ?? '.berth';
  const history = resolveHistory(file, written, env, resolve(cwd, dataDir), problems, warnings);
  if (history === null && file.metrics.compat !== 'none') {
    problems.push(
      `metrics.compat: found "${file.metrics.compat}", which is counted from history, but history.enabled is false`,
    );
  }
  const http = resolveTls('http.tls', file.http.tls, files, problems);
  const sweepIntervalMs = env.CLEANUP_INTERVAL_SECONDS ?? file.reaper.sweep_interval;
  return {
    file: name,
    warnings,
    host: env.BERTH_HOST ?? '127.0.0.1',
    ...resolvePorts(file, env, problems),
    dataDir,
    redis: redisConnection(env, file.redis, deadlineMs, files, problems),
    nodes: {
      leaseMs: file.nodes.lease,
      missedBeats: file.nodes.missed_beats,
      snapshotIntervalMs: file.nodes.snapshot_interval,
      fuseShare: file.nodes.fuse_share,
      fuseSessions: file.nodes.fuse_sessions,
      fuseNodes: file.nodes.fuse_nodes,
      onReturn: file.nodes.on_return,
    },
    commands: { webhooks: file.commands.webhooks, allowPrivate: file.commands.allow_private },
    reaper: { sweepIntervalMs },
    sip: {
      user: file.sip.user,
      group: file.sip.group,
      ipRate: file.sip.ip_rate,
      total: file.sip.total,
      unavailable: file.sip.unavailable,
      ended: file.sip.ended,
    },
    history,
    store: { decisionDeadlineMs: deadlineMs },
    http: { trustedProxies: file.http.trusted_proxies, tls: http },
    grpc: {
      maxConnectionAgeMs: file.grpc.max_connection_age,
      tls: file.grpc.tls === undefined ? http : resolveTls('grpc.tls', file.grpc.tls, files, problems),
    },
    shutdown: { graceMs: file.shutdown.grace },
    metrics: { compat: file.metrics.compat, topUsers: file.metrics.top_users },
    logging: {
      level: env.BERTH_LOG_LEVEL ?? file.logging.level,
      hashUsers: file.logging.hash_users,
      hashKey: file.logging.hash_key ?? null,
    },
    tenants,
    auth: { keys: resolveKeys(file, Object.keys(tenants), problems) },
  };
}

function resolveKeys(file: FileSettings, tenants: string[], problems: string[]): AuthKey[] {
  const seen = new Map<string, string>();
  return file.auth.keys.map(({ id, hash, role, tenant, nodes, emergency }, index) => {
    const path = `auth.keys[${index}]`;
    const digest = hash.slice('sha256:'.length).toLowerCase();
    if (!tenants.includes(tenant)) {
      problems.push(`${path}.tenant: found "${tenant}", expected one of the tenants ${tenants.join(', ')}`);
    }
    for (const [what, value] of [
      ['id', id],
      ['hash', digest],
    ] as const) {
      const first = seen.get(`${what} ${value}`);
      if (first !== undefined) problems.push(`${path}.${what}: the same as that of ${first}`);
      seen.set(`${what} ${value}`, path);
    }
    return { id, hash: digest, role, tenant, nodes: nodes ?? null, emergency };
  });
}

/** A section whose keys are all commented out is null in YAML; it says nothing. */
function withoutEmptySections(written: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null));
}
