import type { FileSettings } from './schema/file.schema.js';

/** Settings of later versions that would change what callers are answered or what dashboards show. */
export function unsupportedSettings(file: FileSettings): string[] {
  const problems: string[] = [];
  if (file.store.on_outage !== 'deny') {
    problems.push(`store.on_outage: found "${file.store.on_outage}", but this version knows only "deny"`);
  }
  return problems;
}

/** Settings that are read and change nothing yet. */
export function settingsWithoutEffect(file: FileSettings): string[] {
  const warnings: string[] = [];
  if (file.redis.pool_size !== undefined)
    warnings.push('redis.pool_size: not needed, one connection carries all commands');
  if (file.redis.min_idle_conns !== undefined)
    warnings.push('redis.min_idle_conns: not needed, one connection carries all commands');
  return warnings;
}
