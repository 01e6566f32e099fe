/**
 * Keys of the systems that Berth replaces, with what to write instead.
 * Their sources: the SSH server's `security:`, the SOCKS proxy's `[sessions]`, the web backend's `redis.session_*`.
 */
const REPLACED = new Map<string, string>([
  ['security.max_sessions_per_user', 'limits.max_sessions_per_user'],
  ['security.max_total_sessions', 'limits.max_total_sessions'],
  ['security.idle_timeout', 'sessions.ssh.idle_timeout'],
  ['security.session_timeout', 'sessions.ssh.session_timeout'],
  ['sessions.idle_timeout', 'sessions.default.idle_timeout'],
  ['sessions.session_timeout', 'sessions.default.session_timeout'],
  ['sessions.enabled', 'history.enabled'],
  ['sessions.storage', 'history.storage'],
  ['sessions.database_url', 'history.database_url'],
  ['sessions.batch_size', 'history.batch_size'],
  ['sessions.batch_interval_ms', 'history.batch_interval_ms'],
  ['sessions.retention_days', 'history.retention_days'],
  ['sessions.cleanup_interval_hours', 'history.cleanup_interval_hours'],
  ['sessions.stats_window_hours', 'history.stats_window_hours'],
  ['sessions.stats_api_bind_address', 'the environment variable BERTH_HOST'],
  ['sessions.stats_api_port', 'the environment variable BERTH_ADMIN_PORT'],
  ['redis.session_ttl', 'sessions.web.session_timeout'],
  ['redis.session_idle_timeout', 'sessions.web.idle_timeout'],
  ['redis.session_cleanup_interval', 'reaper.sweep_interval'],
  ['redis.max_sessions_per_ip_per_hour', 'limits.max_sessions_per_ip_per_hour'],
  ['redis.session_creation_alert_threshold', 'limits.session_creation_alert_threshold'],
  ['redis.db', 'redis.database'],
]);

/** Keys that have nothing to say any more, with the reason. */
const DROPPED = new Map<string, string>([
  ['sessions.traffic_update_packet_interval', 'each server chooses how often it reports activity'],
  ['sessions.stats_api_enabled', 'limits-admin always serves statistics'],
  ['redis.session_cleanup', 'ended sessions are always cleaned up'],
  ['redis.session_bind_ip', 'it concerns cookies, which the web application sets'],
  ['redis.session_regenerate_on_auth', 'it concerns cookies, which the web application sets'],
  ['redis.session_cookie_secure', 'it concerns cookies, which the web application sets'],
  ['redis.session_cookie_httponly', 'it concerns cookies, which the web application sets'],
  ['redis.session_cookie_samesite', 'it concerns cookies, which the web application sets'],
]);

/** What to tell somebody who wrote this path, or null if it is no key of a replaced system. */
export function replacementFor(path: string): string | null {
  const renamed = REPLACED.get(path);
  if (renamed !== undefined) return `is now ${renamed}`;
  const reason = DROPPED.get(path);
  return reason === undefined ? null : `has no place here: ${reason}; remove it`;
}
