import { ReplyError } from 'ioredis';
import { startDeadline } from './deadline.js';
import { BerthError, StoreUnavailableError, TenantClosedError } from './errors.js';

/** Answers of a server that cannot serve now, though it is there: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
const CANNOT_SERVE =
  /^(OOM|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|BUSY|NOAUTH|WRONGPASS|NOPERM|MOVED|ASK|CROSSSLOT)\b/;

/** What `fence.lua` answers. */
const FENCED = 'RULES ';

/** `ERR` and a code inside: how Redis reports an error of a command that a script called. */
const INSIDE_SCRIPT = /\b(OOM|READONLY|TRYAGAIN|CLUSTERDOWN|MISCONF)\b|non local key|cluster down/i;

/**
 * Runs a call to the store under a deadline.
 *
 * Throws StoreUnavailableError when there is no answer in time, no connection, or a server that says it cannot serve. An answer that has
 * arrived counts, also where this process stood still until the deadline was over.
 * The call itself may still be carried out afterwards: who must know takes it back or repeats it.
 */
export function withDeadline<T>(deadlineMs: number, call: () => Promise<T>): Promise<T> {
  // Written out, because Promise.race with its promises took 2 % of a gateway's CPU.
  return new Promise((resolve, reject) => {
    const timer = startDeadline(deadlineMs, () => {
      reject(new StoreUnavailableError(`Redis did not answer within ${deadlineMs} ms`));
    });
    call().then(
      (answer) => {
        clearTimeout(timer);
        resolve(answer);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(asStoreError(error));
      },
    );
  });
}

function asStoreError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof BerthError) return error;
  if (error instanceof ReplyError) {
    if (error.message.startsWith(FENCED))
      return new TenantClosedError(`Not done: ${error.message.slice(FENCED.length)}`, { cause: error });
    if (CANNOT_SERVE.test(error.message)) return unavailable(error, true);
    return INSIDE_SCRIPT.test(error.message) ? unavailable(error, false) : error;
  }
  if (NEVER_SENT.test(error.message)) return unavailable(error, true);
  return isConnectionError(error) ? unavailable(error, false) : error;
}

/** What a connection says that refuses a command instead of sending it. */
const NEVER_SENT = /stream isn't writeable|cluster isn't ready|cluster cannot be used now|none of startup nodes/i;

/** ioredis names the errors of a lost connection only by text and class name. */
function isConnectionError(error: Error): boolean {
  return (
    'code' in error ||
    error.name === 'MaxRetriesPerRequestError' ||
    error.name === 'ClusterAllFailedError' ||
    /connection is closed|command timed out|too many cluster redirections/i.test(error.message)
  );
}

function unavailable(cause: Error, nothingDone: boolean): StoreUnavailableError {
  return new StoreUnavailableError(`Redis cannot serve now: ${cause.message}`, { cause, nothingDone });
}
