export {
  policyFor,
  type AuthKey,
  type BerthConfig,
  type HistoryConfig,
  type HttpTls,
  type IdentityConfig,
  type LogLevel,
  type RedisConfig,
  type RedisTls,
  type Role,
  type SentinelAccess,
  type SipAnswer,
  type TenantConfig,
  type WebhookConfig,
} from './berth.config.js';
export { ConfigError } from './config.error.js';
export { ConfigFiles, digestsNow, type Digests } from './config-files.js';
export { parseDurationMs } from './duration.js';
export { type Environment } from './environment.config.js';
export { loadConfig, readConfig, type ConfigReading, type ConfigSource } from './load-config.js';
export { parseNetwork } from './network.js';
export { parseRedisUrl, type RedisAddress, type RedisMode, type RedisNodeAddress } from './redis-address.js';
export { configReference } from './reference.js';
export { changedSettings, isTakenOver } from './reload/changed-settings.js';
export { takeOver } from './reload/take-over.js';
