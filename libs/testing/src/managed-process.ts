import { spawn, type ChildProcess } from 'node:child_process';

import { eventually } from './eventually.js';
import { httpsRequest } from './https-request.js';
import { findTool } from './tools.js';

/** When a process counts as started: a line of its output matches, or a URL answers with a 2xx status; of `https:` whatever its certificate. */
export type Readiness = { line: RegExp } | { url: string };

export interface ProcessOptions {
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  ready?: Readiness;
  /** How long it may take to become ready; 60 s by default, for a machine that has other things to do. */
  readyTimeoutMs?: number;
  /**
   * The signal that the process gets when this one dies, even by SIGKILL; SIGKILL by default. (Linux with `setpriv`;
   * elsewhere only an orderly exit of this process takes its children along.)
   */
  deathSignal?: 'SIGKILL' | 'SIGTERM';
  /** By which `stop` and `restart` end it; SIGTERM by default. */
  stopSignal?: 'SIGTERM' | 'SIGINT';
}

export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly pid: number;
  /** Resolves when the current run has ended. */
  readonly exited: Promise<ExitStatus>;
  readonly running: boolean;
  /** Standard output and error of the current run, the last million characters. */
  output(): string;
  /** `stopSignal`, then SIGKILL after `graceMs` (30 s by default); resolves when the process is gone. */
  stop(graceMs?: number): Promise<ExitStatus>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<ExitStatus>;
  /** Stops it if it runs, starts it again with the same arguments, and waits until it is ready. */
  restart(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

const OUTPUT_LIMIT = 1_000_000;
/** Longer than any process of Berth takes to stop whatever hangs, so that SIGKILL means what it says. */
const STOP_MS = 30_000;
const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a program and waits until it is ready.
 *
 * Fails, with what the program wrote, when it cannot be started, ends early or is not ready in time; it is dead then.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<ManagedProcess> {
  let run = new Run(command, args, options);
  await run.becomeReady();
  return {
    get pid() {
      return run.pid;
    },
    get exited() {
      return run.exited;
    },
    get running() {
      return run.status === undefined;
    },
    output: () => run.output,
    stop: (graceMs) => run.stop(graceMs),
    kill: () => run.kill(),
    signal: (signal) => run.signal(signal),
    async restart() {
      await run.stop();
      run = new Run(command, args, options);
      await run.becomeReady();
    },
  };
}

/** One life of a managed process. */
class Run {
  readonly exited: Promise<ExitStatus>;
  status: ExitStatus | undefined;
  output = '';
  private readonly child: ChildProcess;

  constructor(
    private readonly command: string,
    args: readonly string[],
    private readonly options: ProcessOptions,
  ) {
    const [program, ...rest] = [...bindToParent(options.deathSignal ?? 'SIGKILL'), command, ...args];
    this.child = spawn(program ?? command, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-OUTPUT_LIMIT);
      });
    }
    this.exited = new Promise((resolve) => {
      const end = (status: ExitStatus) => {
        running.delete(this.child);
        this.status = status;
        resolve(status);
      };
      this.child.once('close', (code, signal) => end({ code, signal }));
      this.child.once('error', (error) => {
        this.output += String(error);
        end({ code: null, signal: null });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  async becomeReady(): Promise<void> {
    const { ready, readyTimeoutMs = 60_000 } = this.options;
    if (ready === undefined) return;
    try {
      await eventually(async () => this.status !== undefined || (await this.isReady(ready)), {
        timeoutMs: readyTimeoutMs,
        intervalMs: 10,
        what: `${this.command} to be ready`,
      });
    } catch (error) {
      await this.stop(2_000);
      throw new Error(`${String(error)}. It wrote:\n${this.output}`, { cause: error });
    }
    if (this.status !== undefined) {
      const { code, signal } = this.status;
      throw new Error(`${this.command} ended before it was ready (${code ?? signal}). It wrote:\n${this.output}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(graceMs = STOP_MS): Promise<ExitStatus> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    this.child.kill(this.options.stopSignal ?? 'SIGTERM');
    this.child.kill('SIGCONT'); // a paused process cannot see the other signal
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }

  async kill(): Promise<ExitStatus> {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  private async isReady(ready: Readiness): Promise<boolean> {
    if ('line' in ready) return this.output.split('\n').some((line) => ready.line.test(line));
    if (ready.url.startsWith('https:')) {
      const { status } = await httpsRequest(ready.url, { rejectUnauthorized: false, timeout: 2_000 });
      return status >= 200 && status < 300;
    }
    const response = await fetch(ready.url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  }
}

/** Words to put before a command so that the kernel ends it together with this process. `setpriv` replaces itself: the pid is the command's. */
function bindToParent(signal: 'SIGKILL' | 'SIGTERM'): string[] {
  const setpriv = process.platform === 'linux' ? findTool('setpriv') : null;
  return setpriv === null ? [] : [setpriv, '--pdeathsig', signal.slice(3)];
}
