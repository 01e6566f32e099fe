import type { Listed, RekeyReport } from '#session-core';

/** What a change of identity rules came to, a line for each thing that the operator should know. */
export function reportLines(report: RekeyReport): string[] {
  const { sessions, renamed, moved, excess, limits } = report;
  const lines = [`${number(sessions)} live sessions, of which ${number(renamed + moved)} have another user now`];
  const say = (listed: Listed, what: string) => {
    if (listed.count > 0) lines.push(`${number(listed.count)} ${what}: ${named(listed)}`);
  };
  say(report.withoutDomain, 'sessions keep a user without a domain, because their From names none');
  say(report.ended, 'sessions ended, because another one has their id or the run of their node was over');
  say(report.unreadable, 'records could not be read and are as they were');
  say(report.splits, 'users are several now, each with the limit that it has under its own name');
  say(report.overshoot, `users are above their limit, by ${number(excess)} sessions in all`);
  say(
    report.limitsWithoutDomain,
    'users with a limit have no domain that anything says; their limits hold for calls without one',
  );
  for (const { user, limits: were, holds } of limits) {
    const former = were.map(({ user: name, max }) => `${name}: ${limit(max)}`).join(', ');
    lines.push(`limits of ${user} were several (${former}): ${limit(holds)} holds`);
  }
  return lines;
}

function named({ count, first }: Listed): string {
  return count > first.length ? `${first.join(', ')}, …` : first.join(', ');
}

function limit(max: number): string {
  return max === 0 ? 'unlimited' : number(max);
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}
