import { types } from 'node:util';

/**
 * Why Redis cannot serve: one sentence each, with the cause and what to change. Answers, health and log show the same one; none names
 * an address, a user or a password.
 */
const SENTENCES = {
  'no-answer':
    'Redis gave no answer in time: it is stopped, overloaded or cut off; store.decision_deadline_ms is how long is waited',
  refused: 'Nothing listens where Redis should be: start it, or correct redis.url (BERTH_REDIS_URL)',
  'name-unknown':
    'The host name of Redis is not known to the resolver: correct redis.url (BERTH_REDIS_URL), or the DNS',
  'no-connection':
    'No connection to Redis came about in time: check the network, firewalls and redis.url (BERTH_REDIS_URL), and with redis.tls whether the server speaks TLS',
  unreachable: 'The address of Redis cannot be reached: check the network, firewalls and redis.url (BERTH_REDIS_URL)',
  closed:
    'The connection to Redis is lost and is made anew; where it never works, see whether the server wants TLS (redis.tls)',
  'cluster-away': 'No node of the Redis Cluster answers: start it, or correct redis.url (BERTH_REDIS_URL)',
  'sentinels-away':
    'No sentinel names a master: check the sentinels, whether they speak TLS (redis.sentinel.tls), and the name of the master in redis.url',
  'sentinel-password':
    'The sentinels want a password or a user, or refuse them: set redis.sentinel.password (BERTH_SENTINEL_PASSWORD) and redis.sentinel.username',
  'sentinel-tls':
    'The TLS connection to the sentinels fails: check redis.sentinel.tls (ca_file, server_name), or set it to false where they speak none',
  'no-cluster': 'Redis is no cluster: set redis.mode: standalone, or use redis:// in redis.url',
  'no-tls':
    'The server of Redis does not speak TLS: use redis:// or redis.tls: false, or switch TLS on there (tls-port)',
  certificate:
    'The certificate of Redis is not trusted, out of date or for another name: set redis.tls.ca_file or redis.tls.server_name, or renew it',
  'client-certificate':
    'Redis wants a certificate of Berth, or refuses the one it gets: set redis.tls.cert_file and redis.tls.key_file',
  tls: 'The TLS connection to Redis fails: check redis.tls, and the versions that both sides speak',
  READONLY:
    'Redis is a read-only replica, as a demoted master is: point redis.url at the master, or at what follows it (redis+sentinel://, redis+cluster://)',
  MASTERDOWN:
    'Redis is a replica without its master: point redis.url at the master, or at what follows it (redis+sentinel://, redis+cluster://)',
  MOVED: 'Redis is a node of a cluster: set redis.mode: cluster, or use redis+cluster:// in redis.url',
  moving: 'A slot of the Redis Cluster is on the move between masters: its sessions wait until the move is over',
  CLUSTERDOWN:
    'The Redis Cluster does not serve all slots: a master is down and no replica has taken over yet, or slots have no owner (CLUSTER INFO)',
  NOAUTH: 'Redis wants a password: set redis.password (REDIS_PASSWORD), and redis.username for an ACL user',
  WRONGPASS: 'Redis refuses the password or the user: correct redis.password (REDIS_PASSWORD) and redis.username',
  NOPERM: "The ACL of Berth's user in Redis lacks a right: docs/operations.md has the rule (ACL SETUSER)",
  DENIED:
    'Redis runs in protected mode and takes local connections alone: give it a password (requirepass) and set redis.password',
  OOM: 'Redis is out of memory, so nothing new is admitted: raise maxmemory, or see what fills it (docs/operations.md)',
  LOADING: 'Redis is loading its data after a start: it serves when it is done',
  BUSY: 'A script occupies Redis: SCRIPT KILL ends it',
  MISCONF:
    'Redis cannot save to its disk and takes no writes: make room there, or see its log (stop-writes-on-bgsave-error)',
  NOREPLICAS: 'Redis has fewer replicas than min-replicas-to-write wants: bring them back, or lower it',
  WRONGTYPE:
    'A key of Berth in Redis has a foreign type: something else writes to this database; find the key and delete it, or use another redis.database',
  'too-many-clients': 'Redis takes no more connections: raise maxclients',
  'no-database': 'Redis has no database of this number: correct redis.database, or raise databases',
  'too-old': 'The server lacks what Berth needs: Redis 7.0 or newer, or Valkey',
} as const;

export type StoreFaultCode = keyof typeof SENTENCES;

export interface StoreFault {
  code: StoreFaultCode;
  /** Cause and what to change, for people; without a full stop. */
  sentence: string;
}

/** What a server answers with its own code: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
const OWN_CODE =
  /^(?:READONLY|MASTERDOWN|MOVED|CLUSTERDOWN|NOAUTH|WRONGPASS|NOPERM|DENIED|OOM|LOADING|BUSY|MISCONF|NOREPLICAS|WRONGTYPE)(?= |$)/;

/** Of several that match, the first counts. */
const MESSAGES: readonly [RegExp, StoreFaultCode][] = [
  // With what the last of them answered.
  [
    /all sentinels are unreachable.*\b(NOAUTH|WRONGPASS|NOPERM|invalid password|without any password)\b/i,
    'sentinel-password',
  ],
  [
    /all sentinels are unreachable.*(certificate|altnames|wrong version number|packet length|\bSSL\b|\bTLS\b)/i,
    'sentinel-tls',
  ],
  [/^(ASK|TRYAGAIN)\b|non local key|ERR .*\bTRYAGAIN\b/i, 'moving'],
  [/^CROSSSLOT\b/, 'MOVED'],
  // A command that a script called, as `ERR` with the code inside.
  [/^ERR .*\bOOM\b/, 'OOM'],
  [/^ERR .*\bREADONLY\b/, 'READONLY'],
  [/^ERR .*\bMISCONF\b/, 'MISCONF'],
  [/^ERR .*\bWRONGTYPE\b/, 'WRONGTYPE'],
  [/\bCLUSTERDOWN\b|cluster (is )?down/i, 'CLUSTERDOWN'],
  [/\bNOPERM\b|^ERR .*(has no permissions|can't run this command)/i, 'NOPERM'],
  [/^ERR max number of clients/i, 'too-many-clients'],
  [/^ERR (DB index is out of range|SELECT is not allowed)/i, 'no-database'],
  [/^ERR .*(without any password configured|invalid password)/i, 'WRONGPASS'],
  [/cluster support disabled/i, 'no-cluster'],
  [/^ERR .*(unknown (redis )?(command|subcommand)|unexpected flag)/i, 'too-old'],
  // What ioredis and Node.js say of connections.
  [/all sentinels are unreachable/i, 'sentinels-away'],
  [/failed to refresh slots cache|none of startup nodes|cluster isn't ready/i, 'cluster-away'],
  [/command timed out|sent nothing for/i, 'no-answer'],
  [/connect ETIMEDOUT/, 'no-connection'],
  [
    /connection is closed|closed the connection|isn't writeable|not connected|too many cluster redirections|max retries per request|reached the max retries/i,
    'closed',
  ],
];

/** Codes of Node.js and OpenSSL. */
const CODES: readonly [RegExp, StoreFaultCode][] = [
  [/^ECONNREFUSED$/, 'refused'],
  [/^(ENOTFOUND|EAI_\w+)$/, 'name-unknown'],
  [/^(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|ETIMEDOUT|EADDRNOTAVAIL)$/, 'unreachable'],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/, 'no-tls'],
  [
    /^ERR_SSL_.*(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN)$/,
    'client-certificate',
  ],
  [/CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|HOSTNAME_MISMATCH|CRL_/, 'certificate'],
  [/^(ERR_SSL_|ERR_TLS_|EPROTO$)/, 'tls'],
  [/^(E[A-Z]+|ERR_STREAM_\w+|ERR_SOCKET_\w+)$/, 'closed'],
];

/** Says no more than that something is away; what lies below it may say why. */
const VAGUE: ReadonlySet<StoreFaultCode> = new Set(['closed', 'cluster-away', 'sentinels-away']);

/** Whether another fault that is found meanwhile says more. */
export function isVague(code: StoreFaultCode | null): boolean {
  return code !== null && VAGUE.has(code);
}

export function storeFault(code: StoreFaultCode): StoreFault {
  // Where Redis has a word of its own for it, that is what to search its documentation and logs for.
  const own = code === code.toUpperCase() ? ` (${code})` : '';
  return { code, sentence: `${SENTENCES[code]}${own}` };
}

/** Why Redis cannot serve, by an error of ioredis or of a connection; null for an error that is of something else. */
export function storeFaultOf(error: unknown): StoreFault | null {
  // Not `instanceof`: errors of Node.js itself may be of another realm.
  if (!types.isNativeError(error)) return null;
  const code = ownCode(error);
  if (code !== null && !isVague(code)) return storeFault(code);
  const { cause, lastNodeError } = error as { cause?: unknown; lastNodeError?: unknown };
  const below = storeFaultOf(cause ?? lastNodeError);
  if (below !== null) return below;
  return code === null ? null : storeFault(code);
}

function ownCode(error: Error): StoreFaultCode | null {
  const { message } = error;
  const [own] = OWN_CODE.exec(message) ?? [];
  if (own !== undefined) return own as StoreFaultCode;
  const { code = '' } = error as NodeJS.ErrnoException;
  const found = MESSAGES.find(([pattern]) => pattern.test(message)) ?? CODES.find(([pattern]) => pattern.test(code));
  return found?.[1] ?? null;
}

/** Commands whose first argument is a word and not a key. */
const SUBCOMMANDS = /^(xinfo|object|memory)$/i;
const SCRIPTS = /^(eval|evalsha|fcall)(_ro)?$/i;
/** As a script says it that names the key. */
const NAMED = / \((berth:.+)\)/;

/** The key that Redis refused, by an error of the command or by one that it caused; null where that is not known. */
export function refusedKey(error: unknown): string | null {
  if (!types.isNativeError(error)) return null;
  const { command, cause, message } = error as Error & { command?: { name: string; args: (string | Buffer)[] } };
  if (command === undefined) return refusedKey(cause);
  const { name, args } = command;
  if (SCRIPTS.test(name)) return NAMED.exec(message)?.[1] ?? (String(args[1]) === '1' ? String(args[2]) : null);
  const key = args[SUBCOMMANDS.test(name) ? 1 : 0];
  return key === undefined ? null : String(key);
}
