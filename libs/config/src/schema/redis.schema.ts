import { z } from 'zod';

import { LIMIT_ACTIONS } from '#session-core';

import { flag, limit, oneOf, port, section, setting, text, wholeNumber } from './fields.schema.js';
import { userLimits } from './limits.schema.js';

const file = () => text('the path of a PEM file').optional();

const tls = section({
  enabled: setting(flag().default(true), { text: 'Encrypts the connection.' }),
  ca_file: setting(file(), {
    text: "The authority that signed the server's certificate; by default the system's own.",
  }),
  cert_file: setting(file(), { text: 'The certificate that Berth shows to the server.' }),
  key_file: setting(file(), { text: 'The key of that certificate.' }),
  server_name: setting(text('a host name').optional(), {
    text: "The name in the server's certificate; by default the host.",
  }),
});

const tlsSwitch = () =>
  z.preprocess((value) => (typeof value === 'object' ? value : { enabled: value }), tls).optional();
const password = () => z.string({ error: () => 'text; put digits in quotes' }).optional();

const sentinel = section({
  username: setting(text('text').optional(), { text: 'The ACL user in the sentinels.' }),
  password: setting(password(), {
    text: 'The password of the sentinels; that of Redis is not sent to them.',
    secret: true,
  }),
  tls: setting(tlsSwitch(), {
    text: 'Whether the sentinels speak TLS, as a mapping with the keys below, or true or false; `rediss+sentinel://` and `redis.tls` are about Redis alone.',
    default: false,
  }),
});

/** The `redis:` block: the connection, and as the session limits guide of the B2BUA has it, the limits too. */
export const redisSection = section({
  url: setting(text('a URL').optional(), {
    text:
      'The whole address: `redis://user:password@host:6379/0`, `rediss://` with TLS, `redis+sentinel://host1:26379,host2:26379/master-name/0`, ' +
      '`redis+cluster://host1:6379,host2:6379` (`rediss+sentinel://` and `rediss+cluster://` with TLS). Instead of `host` and `port`.',
    secret: true,
  }),
  mode: setting(oneOf(['standalone', 'sentinel', 'cluster']).optional(), {
    text: 'What the address is; sentinel needs `url`.',
    default: 'as `url` says, else standalone',
  }),
  enabled: setting(flag().optional(), { text: 'Must be true: Berth keeps its books in Redis.', default: true }),
  host: setting(text('a host name or address', /^[^\s/@]+$/).optional(), { text: 'The server.', default: '127.0.0.1' }),
  port: setting(port().optional(), { text: 'Its port.', default: 6379 }),
  username: setting(text('text').optional(), { text: 'The ACL user.' }),
  password: setting(password(), {
    text: 'The password; best written as `${REDIS_PASSWORD}`.',
    secret: true,
  }),
  database: setting(wholeNumber(0, 1_023).optional(), {
    text: 'The database number; a cluster has only 0.',
    default: 0,
  }),
  tls: setting(tlsSwitch(), {
    text: 'true, false, or a mapping of the keys below.',
    default: 'as `url` says, else false',
  }),
  sentinel: setting(sentinel.optional(), {
    text: 'How the sentinels themselves are spoken to, where `url` names some.',
  }),
  pool_size: setting(wholeNumber(0, 1_000_000).optional(), {
    text: 'Not needed: one connection carries all commands.',
  }),
  min_idle_conns: setting(wholeNumber(0, 1_000_000).optional(), { text: 'Not needed, as `pool_size`.' }),
  enable_session_limits: setting(flag().optional(), {
    text:
      "False tracks every session and refuses none. Where the guide's block (any of `enabled`, `pool_size`, `min_idle_conns`, or a limit below) " +
      'does not say, it is false as in the guide, unless there is a `limits:` section.',
    default: 'see text',
  }),
  max_sessions_per_user: setting(limit().optional(), {
    text: 'As `limits.max_sessions_per_user`, which wins.',
    unit: 'sessions',
  }),
  user_session_limits: setting(userLimits().optional(), {
    text: 'As `limits.user_session_limits`, which wins user by user.',
  }),
  session_limit_action: setting(oneOf(LIMIT_ACTIONS).optional(), {
    text: 'As `limits.session_limit_action`, which wins.',
  }),
});

export type TlsSection = z.output<typeof tls>;
export type RedisSection = z.output<typeof redisSection>;
