import { relative, resolve } from 'node:path';

/**
 * @typedef {Awaited<ReturnType<typeof readSettings>>} Settings
 * @typedef {Settings['apps'][number]} AppSettings
 */

/**
 * Where this run keeps its files. The one setting that is read without the apps' loader: two starts must not meet, and until one of
 * them has built it, there is no loader.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function dataDirFrom(env) {
  const dataDir = resolve(env.BERTH_DATA_DIR || '.berth');
  return { dataDir, shownDataDir: relative(process.cwd(), dataDir) || '.' };
}

/**
 * What `npm start` has to know of the configuration, read by the loader of the apps, so that both see the same. Throws with what is
 * wrong with it, as an app would say it.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export async function readSettings(env) {
  const { loadConfig } = await import('#config');
  const { assertSafeBinding } = await import('#service-kit');
  const config = loadConfig({ env });
  assertSafeBinding(config);
  const apps = [
    { name: 'admission-gateway', portVariable: 'BERTH_GATEWAY_PORT', port: config.gatewayPort },
    { name: 'limits-admin', portVariable: 'BERTH_ADMIN_PORT', port: config.adminPort },
    { name: 'session-reaper', portVariable: 'BERTH_REAPER_PORT', port: config.reaperPort },
  ];
  const grpc = { name: 'admission-gateway (gRPC)', portVariable: 'BERTH_GRPC_PORT', port: config.grpcPort };
  requireDistinct([...apps, grpc]);
  return {
    host: config.host,
    grpc: { ...grpc, address: `${reachable(config.host)}:${config.grpcPort}` },
    apps: apps.map((app, index) => ({
      ...app,
      url: `${config.http.tls === null ? 'http' : 'https'}://${reachable(config.host)}:${app.port}`,
      // Three processes cannot share one port: they count up from the one that is configured.
      metricsPort: config.metricsPort === 0 ? undefined : config.metricsPort + index,
    })),
    /** Undefined if none was named. */
    redis: config.redis.named ? shownRedis(config.redis) : undefined,
    graceMs: config.shutdown.graceMs,
    needsKey: config.auth.keys.length > 0,
    tls: config.http.tls !== null,
    needsCertificate: config.http.tls !== null && config.http.tls.clientCa !== null,
  };
}

/** @param {{ port: number, portVariable: string }[]} apps */
function requireDistinct(apps) {
  for (const [index, { port, portVariable }] of apps.entries()) {
    if (port === 0) throw new Error(`${portVariable} is 0; npm start needs a port that it can name.`);
    const other = apps.slice(0, index).find((app) => app.port === port);
    if (other) throw new Error(`${other.portVariable} and ${portVariable} are both ${port}; set one to another port.`);
  }
}

/**
 * Without credentials.
 *
 * @param {{ mode: string, nodes: { host: string, port: number }[] }} redis
 */
function shownRedis({ mode, nodes }) {
  const shown = nodes.map(({ host, port }) => `${bracketed(host)}:${port}`).join(', ');
  return mode === 'standalone' ? shown : `${shown} (${mode})`;
}

/**
 * An address of this machine at which a server bound to `host` can be called.
 *
 * @param {string} host
 */
function reachable(host) {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '[::1]' : bracketed(host);
}

/** @param {string} host */
function bracketed(host) {
  return host.includes(':') ? `[${host}]` : host;
}
