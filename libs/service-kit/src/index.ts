export { createApp, BodyLimit, type AppOptions } from './app/create-app.js';
export { runApp, type RunOptions } from './app/run-app.js';
export { portTaken } from './app/port-holder.js';
export type { EndsFirst, ServesCalls } from './app/stop-steps.js';
export { stopGracefully } from './app/graceful-stop.js';
export { AuthFailures } from './auth/auth-failures.service.js';
export { authenticate, isStillKnown, KeyRefused, newKey, type Credentials, type NewKey } from './auth/authenticate.js';
export { assertMaySpeakForNode, assertMaySpeakForSession } from './auth/node-rights.js';
export { mayReadOf, maySpeakFor, type Principal } from './auth/principal.js';
export { assertRight, Caller, Needs, Open } from './auth/rights.guard.js';
export { ApiModule, ApiOperations } from './operations/api.module.js';
export { openApiDocument, problemsOf, type ApiTitle } from './operations/openapi.js';
export { Operation, Tag, type OperationSpec } from './operations/operation.js';
export { limitStateAnswer, problemSchema } from './operations/problem.schema.js';
export { operationsOfApp } from './operations/app-operations.js';
export { openApiPath } from './operations/operations.js';
export { fillReference } from './operations/reference.js';
export type { Operation as DeclaredOperation } from './operations/operations.js';
export { RIGHTS, rolesWith, type BoundKeys, type Right } from './auth/rights.js';
export { assertSafeBinding } from './auth/safe-binding.js';
export { strangerOf } from './auth/stranger.js';
export { runCommand, type CommandLine } from './command/run-command.js';
export {
  ReadinessChecks,
  type CheckResult,
  type CheckStatus,
  type Readiness,
  type ReadinessCheck,
} from './health/readiness.js';
export { RedisMemory } from './health/redis-memory.js';
export { StoreHealth } from './health/store-health.service.js';
export { contextOptions, tlsOptions } from './http/tls-options.js';
export { ifUndelivered } from './http/undelivered.js';
export { consumerReports } from './logging/consumer-reports.js';
export { createLogger, type Logger } from './logging/logger.js';
export { NestLogger } from './logging/nest-logger.js';
export { ConsumerMetrics } from './metrics/consumer.metrics.js';
export { Metrics, type Sample } from './metrics/metrics.service.js';
export { parseBody, parseQuery, unknownFields } from './problems/parse-body.js';
export { ProblemFilter, type ProblemFilterOptions } from './problems/problem.filter.js';
export {
  problemAnswer,
  problemOf,
  ProblemException,
  type FieldError,
  type ProblemOptions,
} from './problems/problem.js';
export {
  problemType,
  PROBLEMS,
  type GrpcStatus,
  type ProblemCode,
  type ProblemKind,
} from './problems/problem-table.js';
export { PulseModule } from './pulse/pulse.module.js';
export { pulseTimes, watchIntervalMs } from './pulse/pulse-times.js';
export { ConfigReload } from './reload/config-reload.service.js';
export { connectRedis, type ConnectOptions, type RedisPurpose } from './redis/connect-redis.js';
export { logConnection, type ConnectionLog } from './redis/connection-log.js';
export { closeRedis, whenReady } from './redis/redis-lifecycle.js';
export { BooksModule, listDeadlineMs } from './stores/books.module.js';
export { Clock } from './stores/clock.js';
export { openStores, type Stores, type StoresOptions } from './stores/stores.js';
export { StoresModule } from './stores/stores.module.js';
export { booksOfTenants, type TenantBooks } from './stores/tenant-books.js';
export { TenantRegistryService } from './tenants/tenant-registry.service.js';
export { CONFIG, LOGGER, REDIS } from './tokens.js';
