import type { ConnectionOptions } from 'node:tls';

import { Redis, type Cluster, type RedisOptions } from 'ioredis';

import { backOffMs } from '#basics';
import type { RedisConfig, RedisTls, SentinelAccess } from '#config';

import { limitAnswers } from './answer-deadlines.js';
import { batchWrites } from './batch-writes.js';
import { DeadlineCluster, type ClusterSettings } from './deadline-cluster.js';
import { EndingCluster } from './ending-cluster.js';
import { hearLateErrors } from './late-errors.js';
import { explainRefusals, type LastRefusal } from './not-connected.js';

/**
 * `decisions`: a command fails at once while the connection is down, and at the deadline when nothing answers; none is
 * kept for later and none is sent twice. `queue` and `streams`: what blocking reads need, commands wait for the connection.
 */
export type RedisPurpose = 'decisions' | 'queue' | 'streams';

export interface ConnectOptions {
  purpose: RedisPurpose;
  /** Every failed attempt to connect, and every lost connection. Commands report their own failures. */
  onError: (error: Error) => void;
}

/** Replies as ioredis has always shaped them; saying so would choose another type of client. */
type ConnectionSettings = Omit<RedisOptions, 'replyMapping'>;

/** Sooner than a person notices, without a storm when a fleet of gateways comes back. */
const RECONNECT = { firstMs: 50, maxMs: 500 };
const retryDelayMs = (attempt: number) => backOffMs(RECONNECT, attempt) + Math.floor(Math.random() * 50);

/** Where a server can be away for long, its address is tried again soon after it is back: attempts must not hang. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * So long after the last packet the system asks the peer whether it is still there, every second then, and gives up after ten tries. For
 * reads that wait long (streams, queues) nothing else notices a peer that has vanished, and firewalls forget a connection that is silent.
 */
export const KEEP_ALIVE_MS = 30_000;

/** A peer that vanished without closing (power, a cut cable) would hold the connection for minutes. */
const silenceMs = ({ deadlineMs }: RedisConfig) => Math.max(4 * deadlineMs, 2_000);

/**
 * A connection to the Redis of the configuration. It connects in the background, for ever, and again after every loss.
 * The caller closes it, with `closeRedis`.
 */
export function connectRedis(config: RedisConfig, { purpose, onError }: ConnectOptions): Redis | Cluster {
  const last: LastRefusal = { error: undefined };
  const redis =
    config.mode === 'cluster' ? connectCluster(config, purpose, last) : connectOne(nodeOptions(config, purpose, last));
  if (!(redis instanceof Redis)) redis.on('+node', hearLateErrors);
  if (purpose === 'decisions') {
    const prepare = (node: Redis) => {
      batchWrites(node);
      limitAnswers(node, config.deadlineMs, silenceMs(config));
    };
    if (redis instanceof Redis) {
      prepare(redis);
      explainRefusals(redis, last);
    } else redis.on('+node', prepare);
  }
  redis.on('error', onError);
  let connected = false;
  redis.on('ready', () => (connected = true));
  redis.on('reconnecting', () => {
    if (connected) onError(new Error('Redis closed the connection'));
    connected = false;
  });
  return redis;
}

function connectOne(options: ConnectionSettings): Redis {
  const redis = new Redis({ ...options, lazyConnect: true });
  hearLateErrors(redis);
  redis.options.lazyConnect = false; // for its duplicates
  redis.connect().catch(() => {}); // `onError` hears of it, at every attempt
  return redis;
}

function nodeOptions(config: RedisConfig, purpose: RedisPurpose, last: LastRefusal): ConnectionSettings {
  const [first] = config.nodes;
  const address: ConnectionSettings =
    config.mode === 'sentinel'
      ? {
          sentinels: config.nodes,
          name: config.masterName ?? 'mymaster',
          sentinelRetryStrategy: retryDelayMs,
          ...sentinelAccess(config.sentinel),
        }
      : { host: first?.host ?? '127.0.0.1', port: first?.port ?? 6_379 };
  return { ...address, db: config.database, retryStrategy: retryDelayMs, ...commonOptions(config, purpose, last) };
}

function sentinelAccess(access: SentinelAccess | null): ConnectionSettings {
  if (access === null) return {};
  const { username, password, tls } = access;
  return {
    ...(username !== null && { sentinelUsername: username }),
    ...(password !== null && { sentinelPassword: password }),
    ...(tls !== null && { sentinelTLS: tlsOptions(tls) }),
  };
}

/** Read at every attempt to connect, so that files that were read again hold for the next one. */
function tlsOptions(tls: RedisTls): ConnectionOptions {
  const { serverName } = tls;
  return {
    get ca() {
      return tls.ca;
    },
    get cert() {
      return tls.cert;
    },
    get key() {
      return tls.key;
    },
    ...(serverName !== undefined && { servername: serverName }),
  };
}

function commonOptions(config: RedisConfig, purpose: RedisPurpose, last: LastRefusal): ConnectionSettings {
  const { username, password, tls } = config;
  return {
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    ...(tls !== null && {
      tls: tlsOptions(tls),
      enableTLSForSentinelMode: config.mode === 'sentinel',
    }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    // After a failover an old master answers READONLY on a connection that works: look for the new one.
    reconnectOnError: (error) => {
      if (!error.message.startsWith('READONLY')) return false;
      last.error = error;
      return true;
    },
    ...(purpose === 'decisions'
      ? {
          enableOfflineQueue: false,
          autoResendUnfulfilledCommands: false,
          // 0: what is unanswered when the connection breaks fails right then, not at the first attempt to reconnect that works.
          maxRetriesPerRequest: 0,
          // See `limitAnswers`, which also bounds each command.
          socketTimeout: silenceMs(config),
        }
      : { maxRetriesPerRequest: null }),
  };
}

function connectCluster(config: RedisConfig, purpose: RedisPurpose, last: LastRefusal): Cluster {
  const { enableOfflineQueue: _, ...redisOptions } = commonOptions(config, purpose, last);
  const options: ClusterSettings = {
    redisOptions,
    clusterRetryStrategy: retryDelayMs,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // A hung master keeps its connections, so only looking again finds its successor.
    slotsRefreshInterval: 1_000,
    // Announced host names behind TLS are checked against certificates; let TLS resolve them.
    ...(config.tls !== null && { dnsLookup: (address, callback) => callback(null, address) }),
  };
  return purpose === 'decisions'
    ? new DeadlineCluster(config.nodes, { ...options, retryDelayOnFailover: 0 }, config.deadlineMs)
    : new EndingCluster(config.nodes, options);
}
