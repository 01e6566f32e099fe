import type { Cluster, Redis } from 'ioredis';

/** A connection to standalone Redis (also behind Sentinel) or to a Redis Cluster. */
export type RedisClient = Redis | Cluster;
