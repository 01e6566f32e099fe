import { BerthError } from '#session-core';

/**
 * The process cannot start as it is configured. `problems` lists everything that was found wrong, one line each:
 * the key's path, what was found and what was expected. Secrets are never quoted.
 */
export class ConfigError extends BerthError {
  readonly code = 'config-invalid';
  readonly problems: readonly string[];

  /** @param file as the operator named it, or null where only the environment was read */
  constructor(
    readonly file: string | null,
    problems: readonly string[],
  ) {
    const source = file ?? 'environment';
    super([`Configuration refused (${source}):`, ...problems.map((problem) => `  ${problem}`)].join('\n'));
    this.problems = problems;
  }
}
