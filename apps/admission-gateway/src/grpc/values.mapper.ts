/** Values of protobuf's own types, and of the enums of berth.v1, as the JSON of `/v1` has them, and back. */

interface Timestamp {
  seconds?: number;
  nanos?: number;
}

interface Entry {
  key?: string;
  value?: Value;
}

export interface Struct {
  fields?: Entry[];
}

interface Value {
  nullValue?: unknown;
  numberValue?: number;
  stringValue?: string;
  boolValue?: boolean;
  structValue?: Struct;
  listValue?: { values?: Value[] };
}

const MS = 1_000;
const NS_OF_MS = 1_000_000;

/** RFC 3339; a moment that has no such form is written as its seconds, which every schema refuses. */
export function timeOf(timestamp: Timestamp | undefined): string | undefined {
  if (timestamp === undefined) return undefined;
  const { seconds = 0, nanos = 0 } = timestamp;
  const time = new Date(seconds * MS + Math.floor(nanos / NS_OF_MS));
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString();
}

/** Of a time as answers have it. */
export function timestampOf(time: string | null | undefined): Timestamp | null {
  if (time === null || time === undefined) return null;
  const ms = Date.parse(time);
  const seconds = Math.floor(ms / MS);
  return { seconds, nanos: (ms - seconds * MS) * NS_OF_MS };
}

/** The word of an enum: `SESSION_STATE_ACTIVE` is `active`. Undefined where it is unspecified; a number that has no name is left for the schema to refuse. */
export function wordOf(prefix: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const word = value.slice(prefix.length + 1);
  return word === 'UNSPECIFIED' ? undefined : word.toLowerCase().replaceAll('_', '-');
}

/** Words are few; making their names anew for each answer took 1 µs. */
const ENUM_NAMES = new Map<string, string>();

/** The name of the word in its enum. */
export function enumOf(prefix: string, word: string | null | undefined): string | null {
  if (word === null || word === undefined) return null;
  const key = `${prefix}/${word}`;
  const known = ENUM_NAMES.get(key);
  if (known !== undefined) return known;
  const name = `${prefix}_${word.toUpperCase().replaceAll('-', '_')}`;
  ENUM_NAMES.set(key, name);
  return name;
}

/** The JSON object that a Struct is. Names such as `__proto__` become members like any other. */
export function objectOf({ fields = [] }: Struct): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ key = '', value = {} }) => [key, jsonOf(value)]));
}

function jsonOf(value: Value): unknown {
  if (value.structValue !== undefined) return objectOf(value.structValue);
  if (value.listValue !== undefined) return (value.listValue.values ?? []).map(jsonOf);
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null;
}

/** The Struct that a JSON object is. */
export function structOf(object: object): Struct {
  return { fields: Object.entries(object).map(([key, value]) => ({ key, value: valueOf(value) })) };
}

function valueOf(json: unknown): Value {
  if (typeof json === 'string') return { stringValue: json };
  if (typeof json === 'number') return { numberValue: json };
  if (typeof json === 'boolean') return { boolValue: json };
  if (Array.isArray(json)) return { listValue: { values: json.map(valueOf) } };
  return json === null || json === undefined ? { nullValue: 0 } : { structValue: structOf(json) };
}
