/** What a Redis URL says; what it does not say is absent. */
export interface RedisAddress {
  mode: RedisMode;
  nodes: RedisNodeAddress[];
  tls: boolean;
  masterName?: string;
  username?: string;
  password?: string;
  database?: number;
}

export type RedisMode = 'standalone' | 'sentinel' | 'cluster';
export interface RedisNodeAddress {
  host: string;
  port: number;
}

export const REDIS_URL_EXPECTED =
  'redis://[user:password@]host[:port][/database], or with rediss://, redis+sentinel://host:port,…/master-name, redis+cluster://host:port,…';

const URL_PATTERN = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/]*)@)?([^/@?#]+)((?:\/[^/?#]*){0,2})$/;
const HOST_PATTERN = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/;

/** Reads a Redis URL; null if it is none. Several hosts, comma-separated, are what sentinel and cluster take. */
export function parseRedisUrl(url: string): RedisAddress | null {
  const match = URL_PATTERN.exec(url.trim());
  if (match === null) return null;
  const [, scheme, suffix, userInfo, hosts = '', path = ''] = match;
  const mode: RedisMode = suffix === undefined ? 'standalone' : (suffix as RedisMode);
  const nodes = hosts.split(',').map((host) => parseHost(host, mode === 'sentinel' ? 26_379 : 6_379));
  const place = parsePath(path.split('/').slice(1), mode);
  const credentials = parseUserInfo(userInfo);
  if (nodes.includes(null) || place === null || credentials === null) return null;
  if (mode === 'standalone' && nodes.length > 1) return null;
  return { mode, nodes: nodes as RedisNodeAddress[], tls: scheme === 'rediss', ...place, ...credentials };
}

function parseHost(written: string, defaultPort: number): RedisNodeAddress | null {
  const match = HOST_PATTERN.exec(written);
  const port = Number(match?.[2] ?? defaultPort);
  if (match === null || port < 1 || port > 65_535) return null;
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port };
}

function parsePath(steps: string[], mode: RedisMode): Pick<RedisAddress, 'masterName' | 'database'> | null {
  const [first, second] = steps.map((step) => decode(step));
  const masterName = mode === 'sentinel' ? { masterName: first || 'mymaster' } : {};
  const database = mode === 'sentinel' ? second : first;
  if (mode !== 'sentinel' && second !== undefined) return null;
  if (database === undefined || database === '') return masterName;
  return /^\d{1,4}$/.test(database ?? '') ? { ...masterName, database: Number(database) } : null;
}

function parseUserInfo(written: string | undefined): Pick<RedisAddress, 'username' | 'password'> | null {
  if (written === undefined || written === '') return {};
  const colon = written.indexOf(':');
  const username = decode(colon === -1 ? written : written.slice(0, colon));
  const password = colon === -1 ? undefined : decode(written.slice(colon + 1));
  if (username === null || password === null) return null;
  return { ...(username === '' ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

function decode(written: string): string | null {
  try {
    return decodeURIComponent(written);
  } catch {
    return null;
  }
}
