import type { RedisConfig, RedisTls, SentinelAccess } from './berth.config.js';
import type { ConfigFiles } from './config-files.js';
import type { EnvironmentSettings } from './environment.config.js';
import { parseRedisUrl, REDIS_URL_EXPECTED, type RedisAddress, type RedisMode } from './redis-address.js';
import type { RedisSection, TlsSection } from './schema/redis.schema.js';

/** One source of the address; what it does not have holds from the source below it. */
type Layer = Partial<RedisAddress>;

/** `BERTH_REDIS_URL` over `REDIS_*` over the `redis:` block over a server on loopback. */
export function redisConnection(
  env: EnvironmentSettings,
  section: RedisSection,
  deadlineMs: number,
  files: ConfigFiles,
  problems: string[],
): RedisConfig {
  const file = addressOfFile(section, problems);
  const merged: Layer = {
    ...file,
    ...addressOfNames(env, file),
    ...addressOfUrl(env.BERTH_REDIS_URL, 'BERTH_REDIS_URL', problems),
  };
  const { mode = 'standalone', nodes = [{ host: '127.0.0.1', port: 6_379 }], database = 0 } = merged;
  if (mode === 'cluster' && database !== 0)
    problems.push(`redis.database: found ${database}, expected 0: a cluster has only that one`);
  return {
    named: Object.keys(merged).length > 0,
    mode,
    nodes,
    masterName: mode === 'sentinel' ? (merged.masterName ?? 'mymaster') : null,
    username: merged.username ?? null,
    password: merged.password ?? null,
    database,
    tls: merged.tls === true ? readTls(section.tls, 'redis.tls', files, problems) : null,
    sentinel: sentinelAccess(env, section, mode, files, problems),
    deadlineMs,
  };
}

function addressOfFile(section: RedisSection, problems: string[]): Layer {
  if (section.enabled === false)
    problems.push('redis.enabled: found false, expected true: Berth keeps its books in Redis');
  const credentials = present({
    username: section.username,
    password: section.password || undefined,
    database: section.database,
  });
  const tls = section.tls === undefined ? {} : { tls: section.tls.enabled };
  if (section.url === undefined) return { ...modeWithoutUrl(section, problems), ...tls, ...credentials };
  if (section.host !== undefined || section.port !== undefined) {
    problems.push('redis.url: found together with redis.host or redis.port, expected one of the two ways');
  }
  const address = addressOfUrl(section.url, 'redis.url', problems);
  // A cluster behind one address is often given as redis://; its nodes are found from there.
  const mode = section.mode ?? address.mode;
  if (
    section.mode === 'sentinel'
      ? address.mode !== 'sentinel'
      : section.mode !== undefined && address.mode !== 'standalone' && address.mode !== section.mode
  ) {
    problems.push(
      `redis.mode: found "${section.mode}", but redis.url is that of a ${address.mode ?? 'different'} server`,
    );
  }
  return { ...credentials, ...tls, ...address, ...present({ mode }) };
}

function modeWithoutUrl(section: RedisSection, problems: string[]): Layer {
  if (section.mode === 'sentinel') {
    problems.push(
      'redis.mode: found "sentinel" without redis.url, expected url: redis+sentinel://host1:26379,host2:26379/master-name',
    );
  }
  const { host, port } = section;
  const nodes =
    host === undefined && port === undefined ? undefined : [{ host: host ?? '127.0.0.1', port: port ?? 6_379 }];
  return present({ mode: section.mode, nodes });
}

function addressOfNames(env: EnvironmentSettings, below: Layer): Layer {
  const { REDIS_HOST: host, REDIS_PORT: port, REDIS_PASSWORD: password, REDIS_DB: database } = env;
  const credentials = present({ password, database });
  if (host === undefined && port === undefined) return credentials;
  const known = below.nodes?.[0] ?? { host: '127.0.0.1', port: 6_379 };
  const mode = below.mode === 'cluster' ? 'cluster' : 'standalone';
  return { mode, nodes: [{ host: host ?? known.host, port: port ?? known.port }], ...credentials };
}

function addressOfUrl(url: string | undefined, source: string, problems: string[]): Layer {
  if (url === undefined) return {};
  const address = parseRedisUrl(url);
  if (address === null) problems.push(`${source}: found a text that is not shown, expected ${REDIS_URL_EXPECTED}`);
  return address ?? {};
}

function sentinelAccess(
  env: EnvironmentSettings,
  { sentinel = {} }: RedisSection,
  mode: RedisMode,
  files: ConfigFiles,
  problems: string[],
): SentinelAccess | null {
  if (mode !== 'sentinel') return null;
  const username = env.BERTH_SENTINEL_USERNAME ?? sentinel.username ?? null;
  // An empty one is none, as with that of Redis.
  const password = env.BERTH_SENTINEL_PASSWORD ?? (sentinel.password || null);
  if (username !== null && password === null)
    problems.push('redis.sentinel.username: found without redis.sentinel.password, expected both');
  const encrypts = env.BERTH_SENTINEL_TLS ?? sentinel.tls?.enabled ?? false;
  return { username, password, tls: encrypts ? readTls(sentinel.tls, 'redis.sentinel.tls', files, problems) : null };
}

function readTls(section: TlsSection | undefined, where: string, files: ConfigFiles, problems: string[]): RedisTls {
  const { ca_file, cert_file, key_file, server_name } = section ?? {};
  const read = (key: string, path: string | undefined) =>
    path === undefined ? undefined : (files.readPem(path, `${where}.${key}`, problems) ?? undefined);
  if ((cert_file === undefined) !== (key_file === undefined)) {
    problems.push(`${where}.cert_file: expected together with ${where}.key_file, or neither`);
  }
  return present({
    ca: read('ca_file', ca_file),
    cert: read('cert_file', cert_file),
    key: read('key_file', key_file),
    serverName: server_name,
  });
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
