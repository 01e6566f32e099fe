export { BackOff, backOffMs, type BackOffBounds } from './back-off.js';
export { DAY_MS, HOUR_MS, MINUTE_MS } from './durations.js';
export { pause } from './pause.js';
export type { RedisClient } from './redis-client.js';
export { redisNow } from './redis-now.js';
export { RedisScript, type ScriptArgument } from './redis-script.js';
