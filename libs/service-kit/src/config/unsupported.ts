import type { FileSettings } from './schema/file.schema.js';
import type { LimitsSection } from './schema/limits.schema.js';

/**
 * Limits that are configured but that nothing would enforce. Each one refuses the start: a limit that silently does not hold
 * is worse than none.
 */
export function unenforcedLimits(limits: LimitsSection, path: string): string[] {
  const problems: string[] = [];
  const refuse = (key: string, found: string, instead: string) =>
    problems.push(`${path}.${key}: found ${found}, but this version does not enforce this limit; ${instead}`);
  if (limits.max_total_sessions > 0) refuse('max_total_sessions', String(limits.max_total_sessions), 'expected 0');
  for (const name of Object.keys(limits.classes)) refuse(`classes.${name}`, String(limits.classes[name]), 'remove it');
  for (const [kind, group] of Object.entries(limits.groups)) {
    if (group.default > 0) refuse(`groups.${kind}.default`, String(group.default), 'expected 0');
    for (const [name, max] of Object.entries(group.overrides)) {
      if (max > 0) refuse(`groups.${kind}.overrides.${name}`, String(max), 'expected 0');
    }
  }
  const { max_sessions_per_ip_per_hour: perHour, session_creation_alert_threshold: alert } = limits;
  if (perHour > 0) refuse('max_sessions_per_ip_per_hour', String(perHour), 'expected 0');
  if (alert > 0) {
    problems.push(
      `${path}.session_creation_alert_threshold: found ${alert}, but this version does not raise this alert; expected 0`,
    );
  }
  return problems;
}

/** Settings of later versions that would change what callers are told or what dashboards show. */
export function unsupportedSettings(file: FileSettings): string[] {
  const problems: string[] = [];
  if (file.store.on_outage !== 'deny') {
    problems.push(`store.on_outage: found "${file.store.on_outage}", but this version knows only "deny"`);
  }
  if (file.metrics.compat !== 'none') {
    problems.push(`metrics.compat: found "${file.metrics.compat}", but this version knows only "none"`);
  }
  return problems;
}

/** Settings that are read and change nothing yet. */
export function settingsWithoutEffect(file: FileSettings): string[] {
  const warnings: string[] = [];
  if (file.history.enabled) warnings.push('history.enabled: without effect, this version keeps no history');
  if (file.redis.pool_size !== undefined)
    warnings.push('redis.pool_size: not needed, one connection carries all commands');
  if (file.redis.min_idle_conns !== undefined)
    warnings.push('redis.min_idle_conns: not needed, one connection carries all commands');
  return warnings;
}
