import { UnavailableError, type ErrorCode } from './errors.js';
import type { Command, Problem } from './generated/operations.js';
import type { Gateway, Gateways } from './gateways.js';
import { pause } from './pause.js';
import { problemOf } from './problems.js';
import { NoAnswer, type Answer, type Call } from './transport.js';

export interface CallOptions {
  /** With all retries, milliseconds; that of the client by default. */
  deadlineMs?: number;
  /** Ends the call; it rejects with UnavailableError, code `cancelled`. */
  signal?: AbortSignal;
}

export interface Attempts {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Whether to give up at once where every gateway has been away for longer than the deadline. */
  hasty?: boolean;
}

export interface Answered extends Answer {
  /** Whether a try before this answer may have had its effect. */
  inDoubt: boolean;
}

/** A try has half of the time that is left, so that there is always time for another, but at least so much. */
const LEAST_TRY_MS = 100;
/** The gateway could not do it now, or another one may. */
const RETRIED = new Set([408, 502, 503, 504]);

/**
 * Makes calls until a gateway answers, or the deadline is over.
 *
 * Every operation may be repeated: each names its session (or command, or run), and a repetition gets the answer of the first.
 */
export class Calls {
  constructor(private readonly gateways: Gateways) {}

  /** What a gateway answered that could decide. Throws UnavailableError otherwise. */
  async send(call: Call, { deadlineMs, signal, hasty = false }: Attempts): Promise<Answered> {
    const deadline = performance.now() + deadlineMs;
    const tries = new Tries(deadlineMs, signal);
    for (;;) {
      if (signal?.aborted === true) throw tries.error();
      const now = performance.now();
      if (now >= deadline) throw tries.error();
      const gateway = this.gateways.pick();
      if (gateway === null) {
        const { downSince } = this.gateways;
        const nextAt = this.gateways.nextAt();
        if (nextAt >= deadline || (hasty && downSince !== null && now - downSince >= deadlineMs)) throw tries.error();
        await pause(nextAt - now + Math.random() * 10, signal);
        continue;
      }
      const answer = await this.once(gateway, call, Math.max((deadline - now) / 2, LEAST_TRY_MS), tries);
      if (answer !== null) return { ...answer, inDoubt: tries.inDoubt };
    }
  }

  /** Commands of a node from one gateway, for as long as that works. Throws UnavailableError where none can be reached. */
  async *watch(node: string, signal: AbortSignal): AsyncGenerator<Command> {
    const gateway = this.gateways.pick();
    if (gateway === null) throw new UnavailableError('unreachable', 'All gateways are away', false);
    try {
      yield* gateway.transport.watch(node, signal);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (!signal.aborted) this.gateways.failed(gateway, { answered: false });
      throw new UnavailableError('unreachable', error.message, false, null, null, { cause: error });
    }
  }

  private async once(gateway: Gateway, call: Call, timeoutMs: number, tries: Tries): Promise<Answer | null> {
    try {
      const answer = await gateway.transport.send(call, { timeoutMs, signal: tries.signal });
      const problem = problemOf(answer);
      if (answer.status >= 500 && answer.status !== 503) tries.inDoubt = true;
      if (problem === null && answer.status >= 300) {
        // A proxy before gateways that are away, or no gateway at all.
        tries.strange = `${gateway.url} answered ${answer.status}, and not as a gateway does`;
        this.gateways.failed(gateway, { answered: false });
        return null;
      }
      if (RETRIED.has(answer.status) || problem?.code === 'too-many-requests') {
        tries.refused(problem, answer.retryAfterMs);
        this.gateways.failed(gateway, { answered: true, retryAfterMs: answer.retryAfterMs });
        return null;
      }
      this.gateways.worked(gateway);
      return answer;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (tries.signal?.aborted === true) {
        tries.inDoubt ||= error.sent;
        throw tries.error(error);
      }
      if (error.stale) {
        // The gateway had closed the connection before: nothing was sent, and nothing is wrong with it.
        gateway.transport.dropIdle();
        return null;
      }
      tries.unanswered(error);
      this.gateways.failed(gateway, { answered: false });
      return null;
    }
  }
}

/** What is known of the tries of one call. */
class Tries {
  inDoubt = false;
  strange: string | null = null;
  private problem: Problem | null = null;
  private retryAfterMs: number | null = null;
  private last: NoAnswer | null = null;

  constructor(
    private readonly deadlineMs: number,
    readonly signal: AbortSignal | undefined,
  ) {}

  unanswered(error: NoAnswer): void {
    this.inDoubt ||= error.sent;
    this.last = error;
  }

  refused(problem: Problem | null, retryAfterMs: number | null): void {
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  error(cause: unknown = this.last): UnavailableError {
    const { problem, inDoubt, retryAfterMs } = this;
    const [code, message] = this.reason();
    return new UnavailableError(code, message, inDoubt, problem, retryAfterMs, { cause });
  }

  private reason(): [ErrorCode, string] {
    if (this.signal?.aborted === true) return ['cancelled', 'The caller gave the call up'];
    if (this.problem !== null) return [this.problem.code, this.problem.detail];
    const why = this.strange ?? this.last?.message ?? 'all are away';
    return ['unreachable', `No gateway answered within ${this.deadlineMs} ms: ${why}`];
  }
}
