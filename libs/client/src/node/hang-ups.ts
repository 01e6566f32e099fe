import type { BerthClient } from '../client.js';
import { UnavailableError, type BerthError } from '../errors.js';
import { pause } from '../pause.js';

/** A session that is over for Berth and has to be hung up here. */
export interface Termination {
  sessionId: string;
  /** 1 where nobody says otherwise. */
  attempt: number;
  /** `killed`, `evicted`, `idle_timeout` … of a command; `reconciled` of a list; `node_lost`, `node_restarted` where this node is cut off. */
  reason: string;
}

/** `gone`: there was nothing to hang up. Nothing counts as `done`. One that throws is asked again later. */
export type OnTerminate = (termination: Termination) => 'done' | 'gone' | void | Promise<'done' | 'gone' | void>;

interface Ordered extends Termination {
  commandId: string;
}

/** Between two polls, where no stream can be held open. */
const POLL_MS = 1_000;
/** Commands whose result may be wanted again, because its acknowledgement was lost. */
const REMEMBERED = 10_000;

/** Gets the commands of a node, by stream and where there is none by polling, carries each out once, and acknowledges it. */
export class HangUps {
  private readonly stopping = new AbortController();
  private readonly results = new Map<string, Promise<'done' | 'gone'>>();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: BerthClient,
    private readonly node: string,
    private readonly onTerminate: OnTerminate,
    private readonly onProblem: (error: BerthError) => void,
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Hangs up what no command is about. */
  async hangUp(termination: Termination): Promise<void> {
    try {
      await this.onTerminate(termination);
    } catch (error) {
      this.onProblem(error as BerthError);
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.attempt(async () => {
        for await (const command of this.client.watchCommands(this.node, { signal })) void this.obey(command);
      });
      if (signal.aborted) return;
      await this.attempt(async () => {
        const { commands } = await this.client.commands(this.node, { signal });
        await Promise.all(commands.map((command) => this.obey(command)));
      });
      await pause(POLL_MS * (0.5 + Math.random() / 2), signal, 'idle');
    }
  }

  private async attempt(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof UnavailableError) && !this.stopping.signal.aborted) this.onProblem(error as BerthError);
    }
  }

  private async obey(command: Ordered): Promise<void> {
    const { commandId } = command;
    try {
      let result = this.results.get(commandId);
      if (result === undefined) {
        result = this.carryOut(command);
        this.results.set(commandId, result);
      }
      await this.client.acknowledge(this.node, commandId, { result: await result });
    } catch (error) {
      // Berth sends it again.
      if (error instanceof UnavailableError) return;
      this.results.delete(commandId);
      this.onProblem(error as BerthError);
      const cause = error instanceof Error ? error.message.slice(0, 200) : 'unknown';
      await this.client.acknowledge(this.node, commandId, { result: 'failed', cause }).catch(() => {});
    }
  }

  private async carryOut({ sessionId, attempt, reason }: Ordered): Promise<'done' | 'gone'> {
    const oldest = this.results.keys().next();
    if (this.results.size >= REMEMBERED && oldest.done !== true) this.results.delete(oldest.value);
    return (await this.onTerminate({ sessionId, attempt, reason })) ?? 'done';
  }
}
