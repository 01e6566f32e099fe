/** What a check found. `degraded`: it works, but an operator should look. */
export type CheckStatus = 'ok' | 'degraded' | 'failed';

export interface CheckResult {
  status: CheckStatus;
  /** Facts and warnings for the operator. Open to everyone: no addresses, no secrets. */
  [detail: string]: unknown;
}

/** What this process knows of itself. */
export interface ReadinessCheck {
  name: string;
  run(): CheckResult;
}

/** What has to be asked for, of Redis or a database. */
export interface ReadinessLook {
  name: string;
  /** A throw counts as `failed`, with the error's message. */
  run(): Promise<CheckResult>;
}

export interface Readiness {
  /** `draining`: the process is about to stop, whatever its checks find. */
  status: CheckStatus | 'draining';
  checks: Record<string, CheckResult>;
}

/**
 * What has to be true for this process to do its work. Modules add theirs when they are made: `add` for what a process knows of itself, `watch`
 * for what it has to ask for.
 *
 * A request for the readiness gets what was found last: the endpoint is open, and asks Redis for nobody.
 */
export class ReadinessChecks {
  private readonly checks: ReadinessCheck[] = [];
  private readonly looks: { look: ReadinessLook; underWay: Promise<void> | null; found: CheckResult | null }[] = [];
  private readonly drainer = new AbortController();

  add(check: ReadinessCheck): void {
    this.checks.push(check);
  }

  watch(look: ReadinessLook): void {
    this.looks.push({ look, underWay: null, found: null });
  }

  /** Aborted once the process drains: from then on it is not ready, and about to stop. */
  get draining(): AbortSignal {
    return this.drainer.signal;
  }

  drain(): void {
    this.drainer.abort();
  }

  /** What was found last, together; the worst result is that of the whole. */
  read(): Readiness {
    const results = [
      ...this.checks.map((check) => [check.name, check.run()] as const),
      ...this.looks.flatMap(({ look, found }) => (found === null ? [] : [[look.name, found] as const])),
    ];
    const statuses = results.map(([, { status }]) => status);
    const worst = (['failed', 'degraded'] as const).find((status) => statuses.includes(status)) ?? 'ok';
    return { status: this.draining.aborted ? 'draining' : worst, checks: Object.fromEntries(results) };
  }

  /** Looks at all that is watched; at what is still being looked at not twice. */
  async look(): Promise<void> {
    await Promise.all(
      this.looks.map((entry) => {
        entry.underWay ??= outcomeOf(entry.look).then((found) => {
          entry.found = found;
          entry.underWay = null;
        });
        return entry.underWay;
      }),
    );
  }

  /** What there is to find now. */
  async run(): Promise<Readiness> {
    await this.look();
    return this.read();
  }
}

async function outcomeOf(look: ReadinessLook): Promise<CheckResult> {
  try {
    return await look.run();
  } catch (error) {
    return { status: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}
