import { types } from 'node:util';
import { ReplyError } from 'ioredis';
import { startDeadline } from './deadline.js';
import { BerthError, NotConnectedError, StoreUnavailableError, TenantClosedError } from './errors.js';
import { storeFault, storeFaultOf, type StoreFault } from './store-fault.js';

/** What `fence.lua` answers. */
const FENCED = 'RULES ';

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
    const timer = startDeadline(deadlineMs, () => reject(unavailable(storeFault('no-answer'))));
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

/** An error of a call to Redis as StoreUnavailableError, where that is what it says; any other as it is. */
export function asStoreError(error: unknown): Error {
  if (!types.isNativeError(error)) return new Error(String(error));
  if (error instanceof BerthError) return error;
  if (error instanceof ReplyError && error.message.startsWith(FENCED)) {
    return new TenantClosedError(`Not done: ${error.message.slice(FENCED.length)}`, { cause: error });
  }
  const fault = storeFaultOf(error);
  return fault === null ? error : unavailable(fault, { cause: error, nothingDone: isCertain(error, fault) });
}

/**
 * Whether it is certain that nothing was done: the command was never sent, or refused as a whole. A script that was refused by a command in
 * its middle may have written, except at a key of a foreign type: it reads what it will write before its first write.
 */
function isCertain(error: Error, { code }: StoreFault): boolean {
  if (error instanceof ReplyError) return code === 'WRONGTYPE' || !INSIDE_SCRIPT.test(error.message);
  return error instanceof NotConnectedError || NEVER_SENT.test(error.message);
}

/** `ERR` is what Redis 6 and older report of a command that a script called; later ones say where it was. */
const INSIDE_SCRIPT = /^ERR|\bon @\w+:\d/;

/** What a connection says that refuses a command instead of sending it. */
const NEVER_SENT = /stream isn't writeable|cluster isn't ready|none of startup nodes/i;

function unavailable(
  { code, sentence }: StoreFault,
  options: ErrorOptions & { nothingDone?: boolean } = {},
): StoreUnavailableError {
  return new StoreUnavailableError(sentence, { ...options, fault: code });
}
