import { distance } from 'fastest-levenshtein';
import { z } from 'zod';

import { duration, durationOrOff, flag, limit, port, setting, text, wholeNumber } from './schema/fields.schema.js';
import { logLevel } from './schema/services.schema.js';
import { issueLines } from './issues.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment may say. The names without BERTH_ are those of the user service's session manager. */
export const environmentSchema = z.object({
  BERTH_CONFIG: setting(text('a path').optional(), {
    text: 'The configuration file.',
    default: 'berth.yaml, if there',
  }),
  BERTH_REDIS_URL: setting(text('a URL').optional(), {
    text: 'As `redis.url`; a part that it lacks (password, database) comes from the settings below it.',
    secret: true,
  }),
  BERTH_SENTINEL_USERNAME: setting(text('text').optional(), { text: 'As `redis.sentinel.username`.' }),
  BERTH_SENTINEL_PASSWORD: setting(z.string().optional(), { text: 'As `redis.sentinel.password`.', secret: true }),
  BERTH_SENTINEL_TLS: setting(flag().optional(), { text: 'As `redis.sentinel.tls.enabled`.' }),
  BERTH_HOST: setting(text('a host name or address', /^[^\s/]+$/).optional(), {
    text: 'The address that every process listens on.',
    default: '127.0.0.1',
  }),
  BERTH_GATEWAY_PORT: setting(port().optional(), { text: 'HTTP port of admission-gateway.', default: 8081 }),
  BERTH_GRPC_PORT: setting(port().optional(), {
    text: 'gRPC port of admission-gateway.',
    default: 50051,
  }),
  BERTH_ADMIN_PORT: setting(port().optional(), { text: 'HTTP port of limits-admin.', default: 8080 }),
  BERTH_REAPER_PORT: setting(port().optional(), { text: 'HTTP port of session-reaper.', default: 8082 }),
  BERTH_METRICS_PORT: setting(port().optional(), {
    text: 'As `metrics.port`, for one process: several on one machine cannot share a port.',
  }),
  BERTH_DATA_DIR: setting(text('a path').optional(), {
    text: 'Where Berth keeps files of its own.',
    default: '.berth',
  }),
  BERTH_DATABASE_URL: setting(text('a URL').optional(), {
    text: 'As `history.database_url`.',
    secret: true,
  }),
  BERTH_LOG_LEVEL: setting(logLevel().optional(), { text: 'As `logging.level`.' }),
  REDIS_HOST: setting(text('a host name or address', /^[^\s/@]+$/).optional(), { text: 'As `redis.host`.' }),
  REDIS_PORT: setting(port().optional(), { text: 'As `redis.port`.' }),
  REDIS_PASSWORD: setting(z.string().optional(), { text: 'As `redis.password`.', secret: true }),
  REDIS_DB: setting(wholeNumber(0, 1_023).optional(), { text: 'As `redis.database`.' }),
  SESSION_TTL_SECONDS: setting(durationOrOff().optional(), {
    text: 'As `session_timeout` of `sessions.web` and `sessions.default`; calls and SSH sessions keep their own.',
    unit: 's',
  }),
  MAX_SESSIONS_PER_USER: setting(limit().optional(), { text: 'As `limits.max_sessions_per_user`.', unit: 'sessions' }),
  CLEANUP_INTERVAL_SECONDS: setting(duration().optional(), { text: 'As `reaper.sweep_interval`.', unit: 's' }),
});

export type EnvironmentSettings = z.output<typeof environmentSchema>;

const NAMES = Object.keys(environmentSchema.shape);
/** Known to the scripts of this repository alone. */
const OTHER_NAMES = ['BERTH_INSTALL', 'BERTH_TEST_ALL'];

/** Reads the variables that concern Berth; an empty one counts as not set. */
export function readEnvironment(env: Environment, problems: string[], warnings: string[]): EnvironmentSettings {
  const values: Record<string, string> = {};
  for (const name of NAMES) {
    const value = env[name];
    if (value === undefined || value === '') continue;
    if (name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value)) {
      // Kubernetes sets such a variable for every service, e.g. REDIS_PORT for one that is named redis.
      warnings.push(`${name} is ignored: it holds the address of a Kubernetes service, not a port`);
      continue;
    }
    values[name] = value;
  }
  warnAboutMisspelt(env, warnings);
  const parsed = environmentSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  problems.push(...issueLines(parsed.error.issues, values, environmentSchema));
  return values['BERTH_CONFIG'] === undefined ? {} : { BERTH_CONFIG: values['BERTH_CONFIG'] };
}

function warnAboutMisspelt(env: Environment, warnings: string[]): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith('BERTH_') || NAMES.includes(name) || OTHER_NAMES.includes(name)) continue;
    const meant = NAMES.find((known) => distance(known, name) <= 2);
    if (meant !== undefined) warnings.push(`${name} is not read; did you mean ${meant}?`);
  }
}
