import { createHmac, randomBytes } from 'node:crypto';

import { pino, type DestinationStream, type Logger } from 'pino';

import type { BerthConfig } from '#config';

export type { Logger } from 'pino';

const SECRETS = ['password', 'authorization', 'token', 'secret'];
/**
 * The log of a process: one JSON line an event, with `timestamp` (ISO), `level` as a word, `app`, `message`, then the fields.
 *
 * With `logging.hash_users` the fields `user` and `username` hold a keyed hash, the same for the same user. The key is
 * `logging.hash_key`; without it one is drawn at random, so that hashes of two processes, or of two starts, do not match.
 */
export function createLogger(
  config: Pick<BerthConfig, 'logging'>,
  app: string,
  destination?: DestinationStream,
): Logger {
  const { level, hashUsers, hashKey } = config.logging;
  const hashed = hashUsers ? userHasher(hashKey ?? randomBytes(32)) : undefined;
  return pino(
    {
      level,
      base: { app },
      messageKey: 'message',
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[not shown]' },
      // Serializers also see the fields of child loggers, which formatters do not.
      serializers: { err: describeError, url: withoutCredentialsIn, ...(hashed && { user: hashed, username: hashed }) },
    },
    destination ?? standardOutput(),
  );
}

/** Lines may wait so long for the next ones; a process that is killed loses no more than that. */
const FLUSH_MS = 200;

/** One write for many lines: a write for each took a tenth of a gateway's CPU. All that was logged is out when the process exits. */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false, minLength: 4_096 });
  setInterval(() => output.flush(), FLUSH_MS).unref();
  process.on('exit', () => output.flushSync());
  return output;
}

/** Writes what is logged and not out yet, before the process ends in a way that tells nobody. */
export function flushLog(logger: Logger): void {
  const { [pino.symbols.streamSym]: output } = logger as unknown as Record<symbol, { flushSync?: () => void }>;
  try {
    output?.flushSync?.();
  } catch {
    // nobody takes it any more
  }
}

function userHasher(key: string | Buffer) {
  return (user: unknown): unknown =>
    typeof user === 'string' ? createHmac('sha256', key).update(user).digest('hex').slice(0, 16) : user;
}

/** An error without what its library hung on it: ioredis adds the command with its arguments, which may be a password. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: name,
    message: withoutCredentials(message),
    ...(code !== undefined && { code }),
    ...(stack !== undefined && { stack: withoutCredentials(stack) }),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}

function withoutCredentialsIn(value: unknown): unknown {
  return typeof value === 'string' ? withoutCredentials(value) : value;
}

/** `redis://user:password@host` without the middle. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/@]+@/g, '$1***@');
}
