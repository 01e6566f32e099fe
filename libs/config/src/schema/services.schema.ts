import { z } from 'zod';

import { parseNetwork } from '../network.js';
import {
  duration,
  durationUpTo,
  flag,
  oneOf,
  port,
  section,
  setting,
  share,
  text,
  waitOrOff,
  wholeNumber,
} from './fields.schema.js';

/** How nodes are watched. */
export const nodesSection = section({
  lease: setting(duration().prefault(15), { text: 'A node that did not beat for so long is lost.', unit: 's' }),
  missed_beats: setting(wholeNumber(2, 100).default(3), {
    text: 'Beats within one lease; one alone would leave no slack.',
  }),
  snapshot_interval: setting(duration().prefault(60), {
    text: 'How often a node is asked for what it holds.',
    unit: 's',
  }),
  fuse_share: setting(share().default(0.2), { text: "The largest share of a node's sessions that one pass may end." }),
  fuse_sessions: setting(wholeNumber(0, 1_000_000_000).default(50), {
    text: 'A pass that ends no more than this is never stopped.',
    unit: 'sessions',
  }),
  fuse_nodes: setting(share().default(0.5), {
    text: "The largest share of a tenant's nodes that hold sessions that may be lost together.",
  }),
  on_return: setting(oneOf(['over_admit', 'hang_up']).default('over_admit'), {
    text: 'What happens to the sessions of a returning node that have no room.',
  }),
});

export const reaperSection = section({
  sweep_interval: setting(duration().prefault(1), {
    text: 'The longest time between two sweeps over all shards. Sessions end in their moment whatever it is, by a job of their shard.',
    unit: 's',
  }),
});

/** Where the books live when Redis does not answer. */
export const storeSection = section({
  decision_deadline_ms: setting(wholeNumber(10, 60_000).default(250), {
    text: 'A command that has no answer by then has failed.',
    unit: 'ms',
  }),
  on_outage: setting(oneOf(['deny', 'admit', 'local']).default('deny'), {
    text: 'What is answered while Redis is away. This version: deny only.',
  }),
});

export const historySection = section({
  enabled: setting(flag().default(true), { text: 'Keeps sessions, live and past, and refusals in a database.' }),
  storage: setting(oneOf(['sqlite', 'postgres', 'memory']).default('sqlite'), {
    text: 'Where. `sqlite`: a file of one limits-admin; `postgres`: for several; `memory`: the newest 100,000, until it stops.',
    default: 'that of the URL, else `sqlite`',
  }),
  database_url: setting(text('a URL').optional(), {
    text: 'The database: `sqlite://<file>`, or `postgres://user:password@host/database`.',
    default: '`history.db` in `BERTH_DATA_DIR`',
    secret: true,
  }),
  batch_size: setting(wholeNumber(1, 10_000).default(100), { text: 'Events in one transaction.', unit: 'events' }),
  batch_interval_ms: setting(wholeNumber(1, 3_600_000).default(1_000), {
    text: 'How long fewer than `batch_size` wait for more.',
    unit: 'ms',
  }),
  retention_days: setting(wholeNumber(1, 36_500).default(90), { text: 'How long they are kept.', unit: 'd' }),
  cleanup_interval_hours: setting(wholeNumber(1, 8_760).default(24), {
    text: 'How often old ones are deleted.',
    unit: 'h',
  }),
  stats_window_hours: setting(wholeNumber(1, 8_760).default(24), {
    text: 'The window of statistics where the caller names none.',
    unit: 'h',
  }),
  erase: setting(oneOf(['pseudonymise', 'remove']).default('pseudonymise'), {
    text: 'Rows of a person who is erased (`DELETE /api/sessions/users/{username}/history`). `pseudonymise`: they stay, counted as before, under a name that is made up and without addresses, ids and metadata; `remove`: they go, and their sums.',
  }),
});

const NETWORK = 'an address or a network such as 10.0.0.0/8 or 2001:db8::/32';

const tls = section({
  cert_file: setting(text('the path of a PEM file'), {
    text: 'The certificate that the apps show, followed by those between it and its authority.',
  }),
  key_file: setting(text('the path of a PEM file'), { text: 'The key of that certificate, without a passphrase.' }),
  client_ca_file: setting(text('the path of a PEM file').optional(), {
    text: 'Mutual TLS: the authorities of client certificates. Only calls with one of theirs are answered, besides `/health/*`; keys are asked for as before.',
    default: 'none is asked for',
  }),
});

export const httpSection = section({
  tls: setting(tls.optional(), {
    text: 'Serves HTTPS and nothing else, at every port but `metrics.port`. The files are read again when they change.',
    default: 'plain HTTP',
  }),
  trusted_proxies: setting(
    z
      .array(
        text(NETWORK).refine((written) => parseNetwork(written) !== null, { error: () => NETWORK }),
        { error: () => 'a list' },
      )
      .default([]),
    {
      text: 'Addresses and networks of proxies whose `X-Forwarded-For` is believed where a source of wrong keys is slowed and logged.',
      default: 'none',
    },
  ),
});

export const grpcSection = section({
  max_connection_age: setting(durationUpTo(24).prefault(300), {
    text: 'A connection that is older is closed once the calls on it have ended, and a stream that is older ends, so that new gateways get their share.',
    unit: 's',
  }),
  tls: setting(tls.optional(), { text: 'As `http.tls`, for gRPC.', default: 'that of `http.tls`' }),
});

export const shutdownSection = section({
  grace: setting(waitOrOff(10).prefault(5), {
    text:
      'After SIGTERM a process is not ready (503 `draining`) and serves on for so long, until balancers and clients have gone elsewhere: longer than they take to notice. ' +
      'SIGINT, or a second SIGTERM, cuts it short.',
    unit: 's',
  }),
});

export const metricsSection = section({
  compat: setting(oneOf(['none', 'rustsocks']).default('none'), {
    text: 'Also exports the metric names of that system, counted from history.',
  }),
  top_users: setting(wholeNumber(0, 10_000).default(50), {
    text: 'Users with a metric of their own, those with the most sessions.',
    unit: 'users',
  }),
  port: setting(port().default(0), {
    text:
      'A port of its own for `/metrics`, without key and TLS, at the address of `BERTH_HOST`: for scrapers that have no key. 0: none. With the other calls ' +
      '`/metrics` stays, with a key. `BERTH_METRICS_PORT` gives each process of one machine its own.',
  }),
});

export type HttpTlsSection = z.output<typeof tls>;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export const logLevel = () => oneOf(LOG_LEVELS);

export const loggingSection = section({
  level: setting(logLevel().default('info'), { text: 'The least level that is written.' }),
  hash_users: setting(flag().default(false), { text: 'Writes keyed hashes in place of user names.' }),
  hash_key: setting(text('text of at least 16 characters', /^.{16,}$/s).optional(), {
    text: 'The key of those hashes, best written as `${…}`; without it a random one at each start, so that hashes differ from process to process.',
    secret: true,
  }),
});

export const ROLES = ['node', 'viewer', 'operator', 'admin'] as const;

const key = section({
  id: setting(text('a name (a-z, A-Z, 0-9, . _ -; at most 64)', /^[\w.-]{1,64}$/), { text: 'Names the key in logs.' }),
  hash: setting(text('sha256: and 64 hexadecimal digits; `npm run key` makes one', /^sha256:[0-9a-fA-F]{64}$/), {
    text: 'The hash of the key, as `npm run key` prints it.',
    secret: true,
  }),
  role: setting(oneOf(ROLES), { text: 'What it may do.' }),
  tenant: setting(text('the name of a tenant').default('default'), { text: 'The tenant it speaks for.' }),
  nodes: setting(z.array(text('a node name; * stands for any characters'), { error: () => 'a list' }).optional(), {
    text: 'The nodes it may speak for, `*` standing for any characters; it sees and ends their sessions alone.',
    default: 'all',
  }),
  emergency: setting(flag().default(false), { text: 'Whether a node key may ask for emergency sessions.' }),
});

export const authSection = section({
  keys: setting(z.array(key, { error: () => 'a list' }).default([]), {
    text: 'Bearer keys. Without any, only loopback addresses are served.',
  }),
});
