import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { expect } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../..');

/** A command of a page, and the answer that the page shows for it; `null` where it shows none. */
export interface WorkedExample {
  command: string;
  shown: string | null;
}

export function pageText(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/**
 * What a reader of the page would type, in its order: in a `console` block each line behind `$ `, with what stands below it as the answer; in
 * a plain block each command that begins with `curl`.
 */
export function workedExamples(page: string): WorkedExample[] {
  const blocks = [...pageText(page).matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
  return blocks.flatMap(([, language, block = '']) => {
    if (language === 'console') return withAnswers(block);
    return language === '' ? plain(block) : [];
  });
}

function withAnswers(block: string): WorkedExample[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [, command = '', shown = ''] = /^((?:[^\n]*\\\n)*[^\n]*)\n([^]*)$/.exec(step) ?? [];
      return { command, shown: shown.trim() };
    });
}

function plain(block: string): WorkedExample[] {
  const commands = block.split(/^(?=curl )/m).filter((part) => part.startsWith('curl '));
  return commands.map((command) => ({ command, shown: null }));
}

/**
 * Runs the command in this folder, whose `.curlrc` holds, and where Berth answers at these addresses instead of its usual ones; `curl` fails on
 * a problem if no answer is shown, and asks again on a 503 as its `Retry-After` says.
 */
export async function run({ command, shown }: WorkedExample, cwd: string, addresses: Readonly<Record<string, string>>) {
  let asked = command;
  for (const [usual, address] of Object.entries(addresses)) asked = asked.replaceAll(usual, address);
  if (shown === null) asked = asked.replace(/^curl -s/, 'curl --retry 5 --retry-max-time 60 -fsS');
  const { stdout } = await promisify(execFile)('bash', ['-o', 'pipefail', '-c', asked], {
    cwd,
    env: { ...process.env, CURL_HOME: cwd },
  });
  return stdout.trim();
}

/** The answer is the one that the page shows, if it shows one: as text, or as JSON in which `…` stands for whatever is there. */
export function expectShown({ command, shown }: WorkedExample, answer: string): void {
  if (shown === null) return;
  const isObject = shown.startsWith('{') && answer.startsWith('{');
  const expected = isObject ? matcher(shown) : shown;
  expect({ command, answer: isObject ? (JSON.parse(answer) as unknown) : answer }).toEqual({
    command,
    answer: expected,
  });
}

/** `{"id": "…", …}`: a value may be anything; behind a lone `…` there may be other members. */
function matcher(shown: string): unknown {
  const strict = shown.replaceAll(/(?<!")…(?!")/g, '"…": "…"').replaceAll(/"…": "…"(?=\s*\])/g, '"…"');
  const read = (value: unknown): unknown => {
    if (value === '…') return expect.anything();
    if (Array.isArray(value)) return value.map(read);
    if (typeof value !== 'object' || value === null) return value;
    const { '…': open, ...members } = value as Record<string, unknown>;
    const known = Object.fromEntries(Object.entries(members).map(([name, member]) => [name, read(member)]));
    return open === undefined ? known : expect.objectContaining(known);
  };
  return read(JSON.parse(strict));
}
