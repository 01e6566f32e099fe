import { z } from 'zod';

import { environmentSchema } from './environment.config.js';
import { fileSchema } from './schema/file.schema.js';
import { DEFAULT_POLICIES } from './session-policies.js';
import { settingEntries, unwrap, type SettingEntry } from './setting-paths.js';

/** `docs/configuration.md`, made from the schemas. Written by `scripts/config-reference.mjs`. */
export function configReference(): string {
  const entries = settingEntries(fileSchema).filter(({ path }) => !/^tenants\.<name>\.\w+\./.test(path));
  const sections = entries.filter(({ path }) => !path.includes('.'));
  return [
    INTRODUCTION,
    // Tables that are made need no alignment.
    '<!-- prettier-ignore-start -->',
    ...sections.map((section) => sectionText(section, entries)),
    '## Environment\n\n' + tableOf(settingEntries(environmentSchema)),
    '<!-- prettier-ignore-end -->\n',
  ].join('\n\n');
}

function sectionText(section: SettingEntry, entries: SettingEntry[]): string {
  const own = entries.filter(({ path }) => path.startsWith(`${section.path}.`));
  const text = `## \`${section.path}\`\n\n${section.text ?? ''}`;
  const policies = section.path === 'sessions' ? `\n\n${POLICIES}` : '';
  return `${text}\n\n${tableOf(own)}${policies}`;
}

function tableOf(entries: SettingEntry[]): string {
  const rows = entries.map(({ path, schema, unit, text, ...entry }) => {
    const preset = entry.section ? shown(entry.default) : defaultOf(schema, entry.default);
    return `| \`${path}\` | ${entry.section ? 'mapping' : kindOf(schema)} | ${unit ?? ''} | ${preset} | ${(text ?? '').replaceAll('|', '\\|')} |`;
  });
  return ['| key | value | unit | default | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}

function kindOf(schema: z.ZodType): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum) return inner.options.map((option) => `\`${option}\``).join(', ');
  if (inner instanceof z.ZodBoolean) return '`true`, `false`';
  if (inner instanceof z.ZodNumber) return rangeOf(inner);
  if (inner instanceof z.ZodRecord) return 'mapping of names';
  if (inner instanceof z.ZodArray) return 'list';
  return inner instanceof z.ZodUnknown ? 'duration' : 'text';
}

function rangeOf({ minValue, maxValue, isInt }: z.ZodNumber): string {
  const bounded = minValue !== null && minValue > Number.MIN_SAFE_INTEGER && maxValue !== null;
  if (bounded) return `${minValue} to ${maxValue}`;
  return isInt ? 'whole number' : 'number';
}

/** The default: that of the schema, or what the schema says of it. */
function defaultOf(schema: z.ZodType, declared: unknown): string {
  const value =
    declared ??
    (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined);
  return shown(value);
}

function shown(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return `\`${JSON.stringify(value)}\``;
  return value.includes(' ') ? value : `\`${value}\``;
}

const INTRODUCTION = `# Configuration

<!-- Made by scripts/config-reference.mjs from the schemas; changes here are lost. -->

Berth reads one YAML file: the one that \`BERTH_CONFIG\` names, else \`berth.yaml\` in the working directory, if there. Inside any text
value \`\${NAME}\` stands for an environment variable, which then has to be set, and \`\${NAME:-default}\` has a default.

A value that is set more than once holds in this order: what was set by API (kept in Redis), \`BERTH_*\`, the other environment variables
below, \`limits:\` and \`sessions:\`, \`redis:\`, the default. A key that is not known, a value out of range, and a limit that could
not hold stop the start, each with the key's path and what was expected.

Without a restart, within 10 s of a change of a file or on SIGHUP, hold: \`limits\`, \`sessions\`, \`auth.keys\`, \`logging.level\`, \`identity.anonymous\`, those of tenants, and what is in the PEM files
of \`http.tls\` and \`redis.tls\`. Other keys that changed are named in the log and wait for a restart. A file that is wrong, gone or empty changes nothing. The environment of a process cannot change.

Durations are seconds or have a unit: \`90\`, \`15m\`, \`2h\`, \`7d\`. Zero or below switches a limit, an idle time or a maximum duration off.`;

const seconds = (ms: number) => (ms === 0 ? 'none' : `\`${ms / 1_000}\``);

const POLICIES = [
  'A protocol without a section of its own uses `default`; what a section does not say holds as built in, or for protocols that are not',
  'in this table, as in `default`:',
  '',
  '| protocol | idle_timeout | session_timeout | reservation |',
  '|---|---|---|---|',
  ...Object.entries(DEFAULT_POLICIES).map(
    ([protocol, { idleMs, maxDurationMs, reservationMs }]) =>
      `| \`${protocol}\` | ${seconds(idleMs)} | ${seconds(maxDurationMs)} | ${seconds(reservationMs)} |`,
  ),
].join('\n');
