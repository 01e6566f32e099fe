export { assertDescribed, exampleFaults } from './api-checks.js';
export { startBerth, type Berth, type BerthApp, type BerthAppName, type BerthOptions } from './berth.js';
export { makeAuthority, type TestAuthority, type TestCertificate } from './certificates.js';
export { eventually, type EventuallyOptions } from './eventually.js';
export { inForm, type Forms } from './forms.js';
export { freePort } from './free-port.js';
export { httpsRequest, type HttpsAnswer } from './https-request.js';
export { keepAlives } from './keep-alives.js';
export {
  startProcess,
  type ExitStatus,
  type ManagedProcess,
  type ProcessOptions,
  type Readiness,
} from './managed-process.js';
export { askPostgres, startPostgres, type PostgresServer } from './postgres-server.js';
export { startRedisCluster, type RedisCluster, type RedisClusterOptions, type RedisNode } from './redis-cluster.js';
export { startRedis, type RedisServer, type RedisServerOptions } from './redis-server.js';
export { startSentinel, type RedisSentinel, type RedisSentinelOptions } from './redis-sentinel.js';
export { readCsv } from './read-csv.js';
export { migrateSlot, type SlotMigration } from './slot-migration.js';
export { endedAfterEach, onAuthorities, onFolder, onRedis, type OnRedis } from './suites.js';
export { describeWith, findTool } from './tools.js';
export { watchAnswers, type AnswersWatch } from './watch-answers.js';
export { askWildly, type Document } from './wild-requests.js';
export { projectRoot } from './project-root.js';
