import { z } from 'zod';

import { rolesWith, rightsTable } from '../auth/rights.js';
import { PROBLEM_MEANINGS } from '../problems/problem-meanings.js';
import { PROBLEMS, type ProblemCode } from '../problems/problem-table.js';
import { problemsOf } from './openapi.js';
import { declared, type Answer } from './operation.js';
import type { Operation } from './operations.js';

/** A region of a page: `<!-- operations: nodes, commands -->`, `<!-- problems -->` or `<!-- rights -->`, up to `<!-- end -->`. */
const REGION = /(<!-- (operations|problems|rights)(?:: ([\w ,]+))? -->\n)[^]*?(?=<!-- end -->)/g;
/** An object with more fields than these is shown by its name: the text around the table explains it. */
const FEW_FIELDS = 8;
/** What the HTTP layer answers before any operation is reached. */
const BEFORE_ANY: readonly ProblemCode[] = ['not-found', 'method-not-allowed', 'request-timeout'];

/**
 * The page with its regions filled from these operations. Throws if an operation is under no heading that the page shows, or if the page
 * shows a heading that no operation is under.
 */
export function fillReference(page: string, operations: readonly Operation[]): string {
  const tags = new Set(operations.map(({ tag }) => tag));
  const filled = page.replaceAll(REGION, (_, opening: string, kind: string, named = '') => {
    if (kind === 'rights') return region(opening, rightsTable());
    if (kind === 'problems') return region(opening, problemsTable(operations));
    const shown = String(named)
      .split(',')
      .map((tag) => tag.trim());
    for (const tag of shown)
      if (!tags.delete(tag)) throw new Error(`The page shows '${tag}' twice, or nothing is there`);
    return region(opening, operationsTable(operations.filter(({ tag }) => shown.includes(tag))));
  });
  if (tags.size > 0) throw new Error(`The page does not show ${[...tags].join(', ')}`);
  return filled;
}

function region(opening: string, content: string): string {
  return `${opening}<!-- prettier-ignore -->\n${content}\n\n`;
}

function operationsTable(operations: readonly Operation[]): string {
  const rows = operations.map((operation) => {
    const { method, path, summary, query, body, answers, right, problems } = operation;
    const asked = Object.keys(query?.shape ?? {}).join(', ');
    const taken = [asked === '' ? '' : code(`?${asked}`), body === undefined ? '' : fields(body, 'input')];
    return [
      `\`${method} ${path}\``,
      summary,
      taken.filter((part) => part !== '').join(' '),
      answered(answers),
      ownProblems(problems).map(code).join(', '),
      right === 'open' ? 'open to everyone' : `${code(right)}: ${rolesWith(right).join(', ')}`,
    ];
  });
  return table(['call', 'does', 'takes', 'answers', 'problems of its own', 'right: roles'], rows);
}

/** By status; one that may come with several stands once. */
function ownProblems(problems: Operation['problems']): ProblemCode[] {
  const sorted = problems.map(declared).toSorted(([, a], [, b]) => a - b);
  return [...new Set(sorted.map(([one]) => one))];
}

function problemsTable(operations: readonly Operation[]): string {
  const met = new Set([...BEFORE_ANY, ...operations.flatMap((one) => [...problemsOf(one).values()].flat())]);
  const codes = (Object.keys(PROBLEMS) as ProblemCode[]).filter((one) => met.has(one));
  const rows = codes.map((one) => [String(PROBLEMS[one].status), code(one), PROBLEM_MEANINGS[one]]);
  return table(['status', 'code', 'meaning, and what to do'], rows);
}

/** `201, 200 {decision, …}`: statuses with the same answer stand together. */
function answered(answers: Readonly<Record<number, Answer>>): string {
  const statuses = new Map<string, string[]>();
  for (const [status, answer] of Object.entries(answers)) {
    const shown = describedAnswer(answer);
    statuses.set(shown, [...(statuses.get(shown) ?? []), status]);
  }
  return [...statuses].map(([shown, having]) => `${having.join(', ')} ${shown}`.trim()).join('; ');
}

function describedAnswer(answer: Answer): string {
  if (answer === null) return '';
  return 'media' in answer ? answer.media.map(code).join(', ') : fields(answer, 'output');
}

interface Described {
  properties?: Record<string, unknown>;
  required?: string[];
  anyOf?: Described[];
  $ref?: string;
  $defs?: Record<string, Described>;
}

/** `{commands, more, warnings?}`; what may be left out has a question mark. */
function fields(schema: z.ZodType, io: 'input' | 'output'): string {
  const { $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Described;
  const shape = ({ properties = {}, required = [], anyOf, $ref }: Described, id = '{…}'): string => {
    if (anyOf !== undefined) return anyOf.map((one) => shape(one)).join(' or ');
    if ($ref !== undefined) {
      const name = $ref.slice('#/$defs/'.length);
      return shape($defs[name] ?? {}, name);
    }
    const names = Object.keys(properties);
    if (names.length > FEW_FIELDS) return code(id);
    return code(`{${names.map((name) => (required.includes(name) ? name : `${name}?`)).join(', ')}}`);
  };
  return shape(root);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(tableLine).join('\n');
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}
