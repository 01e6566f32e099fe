/** What a check found. `degraded`: it works, but an operator should look. */
export type CheckStatus = 'ok' | 'degraded' | 'failed';

export interface CheckResult {
  status: CheckStatus;
  /** Facts and warnings for the operator. */
  [detail: string]: unknown;
}

export interface ReadinessCheck {
  name: string;
  /** A throw counts as `failed`, with the error's message. */
  run(): Promise<CheckResult>;
}

export interface Readiness {
  status: CheckStatus;
  checks: Record<string, CheckResult>;
}

/** What has to be true for this process to do its work. Modules add theirs with `add`, when they are made. */
export class ReadinessChecks {
  private readonly checks: ReadinessCheck[] = [];

  add(check: ReadinessCheck): void {
    this.checks.push(check);
  }

  /** Runs all of them at once; the worst result is that of the whole. */
  async run(): Promise<Readiness> {
    const results = await Promise.all(this.checks.map(async (check) => [check.name, await outcomeOf(check)] as const));
    const statuses = results.map(([, { status }]) => status);
    const worst = (['failed', 'degraded'] as const).find((status) => statuses.includes(status)) ?? 'ok';
    return { status: worst, checks: Object.fromEntries(results) };
  }
}

async function outcomeOf(check: ReadinessCheck): Promise<CheckResult> {
  try {
    return await check.run();
  } catch (error) {
    return { status: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}
