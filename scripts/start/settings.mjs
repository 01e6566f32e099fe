import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';

/** What the apps are, and which variable moves which to another port. */
const apps = [
  { name: 'admission-gateway', portVariable: 'BERTH_GATEWAY_PORT', port: 8081 },
  { name: 'limits-admin', portVariable: 'BERTH_ADMIN_PORT', port: 8080 },
  { name: 'session-reaper', portVariable: 'BERTH_REAPER_PORT', port: 8082 },
];

/** The settings that `npm start` itself needs, from the environment; the apps judge the rest. */
export function settingsFrom(env) {
  const dataDir = resolve(env.BERTH_DATA_DIR || '.berth');
  const host = env.BERTH_HOST || '127.0.0.1';
  return {
    dataDir,
    shownDataDir: relative(process.cwd(), dataDir) || '.',
    host,
    apps: apps.map((app) => {
      const port = portFrom(env, app);
      return { ...app, port, url: `http://${reachable(host)}:${port}` };
    }),
  };
}

/**
 * What the configuration file says that `npm start` has to know: whether it names a Redis, and whether calls need a key.
 * A file that cannot be read or parsed says nothing here: the apps refuse it at start, with the reason.
 */
export async function readConfiguration(env) {
  const { parse } = await import('yaml');
  const config = await readFile(env.BERTH_CONFIG || 'berth.yaml', 'utf8')
    .then((text) => parse(text) ?? {})
    .catch(() => ({}));
  return {
    redis: namedRedis(env, config.redis ?? {}),
    needsKey: Array.isArray(config.auth?.keys) && config.auth.keys.length > 0,
  };
}

/** The Redis that the operator named, for the screen; undefined if none is named. A block with limits alone names none. */
function namedRedis(env, section) {
  const url = env.BERTH_REDIS_URL || section.url;
  if (url) return String(url).replace(/\/\/[^@/]*@/, '//…@');
  const named = ['host', 'port', 'username', 'password', 'database', 'tls', 'mode'].some(
    (key) => section[key] !== undefined,
  );
  if (!env.REDIS_HOST && !named) return undefined;
  return `${env.REDIS_HOST || section.host || '127.0.0.1'}:${env.REDIS_PORT || section.port || 6379}`;
}

function portFrom(env, { portVariable, port }) {
  const text = env[portVariable];
  if (!text) return port;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65535) {
    throw new Error(`${portVariable} is "${text}"; it must be a port from 1 to 65535.`);
  }
  return number;
}

/** An address of this machine at which a server bound to `host` can be called. */
function reachable(host) {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
