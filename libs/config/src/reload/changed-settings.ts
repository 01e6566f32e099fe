import { isDeepStrictEqual } from 'node:util';

import { fileSchema, type FileSettings } from '../schema/file.schema.js';

/**
 * What a process takes over while it runs, by key. `identity.anonymous` and those of the guide's block are limits; PEM files are read for
 * each new connection.
 */
const TAKEN_OVER = [
  /^limits\./,
  /^sessions\./,
  /^identity\.anonymous$/,
  /^auth\.keys$/,
  /^logging\.level$/,
  /^(http|grpc)\.tls\.(cert|key|client_ca)_file$/,
  /^redis\.(sentinel\.)?tls\.(ca|cert|key)_file$/,
  /^redis\.(enable_session_limits|max_sessions_per_user|user_session_limits|session_limit_action)$/,
];

/**
 * The keys, such as `limits.user_session_limits`, that say another thing in the one than in the other. Below that no names: they may be those
 * of users.
 */
export function changedSettings(before: FileSettings, now: FileSettings): string[] {
  return differences(withDefault(before), withDefault(now), []);
}

/** The tenant `default` is there whether the file names it or not. */
function withDefault(settings: FileSettings): FileSettings {
  const { tenants } = fileSchema.parse({ tenants: { default: {} } });
  return { ...settings, tenants: { ...tenants, ...settings.tenants } };
}

/** Whether a change of this key holds without a restart. */
export function isTakenOver(path: string): boolean {
  const inTenant = path.replace(/^tenants\.[^.]+\./, '');
  return TAKEN_OVER.some((pattern) => pattern.test(inTenant));
}

function differences(before: unknown, now: unknown, path: readonly string[]): string[] {
  if (isDeepStrictEqual(before, now)) return [];
  if (!isMapping(before) || !isMapping(now) || path.length >= depthOf(path)) return [path.join('.')];
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].flatMap((key) => differences(before[key], now[key], [...path, key]));
}

/** How deep a key is. Those below are names, or parts of one setting. */
function depthOf(path: readonly string[]): number {
  if (path[0] === 'tenants') return 4;
  const inner = path.slice(1).filter((key) => key === 'tls' || key === 'sentinel').length;
  return 2 + inner;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
