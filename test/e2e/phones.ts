import type { Kamailio } from './kamailio.js';
import {
  startCallee,
  startCallers,
  type Callee,
  type CalleeScenario,
  type Callers,
  type CallersOptions,
} from './sipp.js';

/** The phones of one test. */
export interface Phones {
  /** Where the proxy sends its calls. */
  callee: (scenario: CalleeScenario, kamailio?: Kamailio) => Promise<Callee>;
  /** One call for each user, through the proxy. */
  call: (users: string[], options?: Partial<CallersOptions>) => Promise<Callers>;
  /** Calls, hangs up if it was answered, and says what the caller heard. */
  hears: (user: string, options?: Partial<CallersOptions>) => Promise<string | undefined>;
  /** These stop with the phones. */
  keep: (...parts: { stop(): unknown }[]) => void;
  /** Stops what was started since the last stop, latest first. */
  stop: () => Promise<void>;
}

export function phonesOf(proxy: () => Kamailio): Phones {
  const running: { stop(): unknown }[] = [];
  const kept = <T extends { stop(): unknown }>(part: T): T => {
    running.push(part);
    return part;
  };
  const call = async (users: string[], options: Partial<CallersOptions> = {}) =>
    kept(await startCallers({ port: proxy().port, users, ...options }));
  return {
    callee: async (scenario, kamailio = proxy()) => kept(await startCallee(scenario, kamailio.calleePort)),
    call,
    async hears(user, options) {
      const caller = await call([user], options);
      const [result] = await caller.results();
      await caller.hangUp();
      await caller.finished();
      return result?.status;
    },
    keep(...parts) {
      running.push(...parts);
    },
    async stop() {
      for (const part of running.splice(0).toReversed()) await part.stop();
    },
  };
}
