import type { Role } from '#config';

/** What a key that is bound to nodes (`auth.keys.nodes`) gets of a call: all of it, what is of its nodes, or nothing. */
export type BoundKeys = 'all' | 'their nodes' | 'nothing';

export interface RightKind {
  /** Who has it besides `admin`, which has every right. */
  roles: readonly Role[];
  bound: BoundKeys;
  /** What it is the right to do, for the table in docs/api/operators.md. The tables of calls there name the right of each. */
  says: string;
}

const right = (roles: readonly Role[], bound: BoundKeys, says: string): RightKind => ({ roles, bound, says });

const WATCHERS = ['viewer', 'operator'] as const;
const ANYBODY = ['node', ...WATCHERS] as const;

/**
 * The one table of who may do what. Each route names its right, and `RightsGuard` holds it; docs/api/operators.md shows this table, and the access
 * tests of the services try every route against it. Where bound keys get what is of their nodes, the route itself has to see to it.
 */
export const RIGHTS = {
  'docs.read': right(ANYBODY, 'all', 'read the list of calls'),
  'metrics.read': right(ANYBODY, 'nothing', 'read the metrics, which name the fullest users'),
  'node.speak': right(
    ['node'],
    'their nodes',
    'admit, check, confirm, renew, hand over and end sessions; beat, list and take commands',
  ),
  'session.read': right(ANYBODY, 'their nodes', 'see one session'),
  'sessions.read': right(WATCHERS, 'their nodes', 'see live and past sessions, and the nodes'),
  'fleet.read': right(WATCHERS, 'nothing', 'see users, and what the whole tenant adds up to'),
  'limits.read': right(WATCHERS, 'all', 'see limits'),
  'limits.change': right(['operator'], 'nothing', 'change limits, classes and groups'),
  'fleet.mend': right(['operator'], 'nothing', 'let fuses through; replay and discard dead letters'),
  'nodes.drain': right(['operator'], 'their nodes', 'have nodes take no new sessions, or take them again'),
  'sessions.end': right([], 'their nodes', 'end sessions and forget nodes'),
  'history.erase': right([], 'nothing', 'erase a person'),
} as const satisfies Record<string, RightKind>;

export type Right = keyof typeof RIGHTS;

/** Who has the right, the weakest first. */
export function rolesWith(name: Right): readonly Role[] {
  return [...RIGHTS[name].roles, 'admin'];
}

/** The table in docs/api/operators.md. */
export function rightsTable(): string {
  const rows = Object.entries(RIGHTS).map(([name, { says, bound }]) => {
    const has = rolesWith(name as Right).map((role) => `\`${role}\``);
    return `| \`${name}\` | ${says} | ${has.join(', ')} | ${bound} |`;
  });
  return ['| right | to | roles | keys with `nodes` get |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
