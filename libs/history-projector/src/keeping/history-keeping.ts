import { rmSync } from 'node:fs';

import { backUpFile, checkFile, restoreFile, unfinishedBackup, type WholeFile } from '#session-history';

export type Say = (line: string) => void;

/** Copies the history file while it is used; says how much and how long. Throws as `backUpFile`. */
export async function backUp(path: string, to: string, say: Say): Promise<void> {
  const took = stopwatch();
  const begin = (bytes: number) => say(`Backing up ${path} (${sizeText(bytes)}) …`);
  const whole = await tidyOnSignal(unfinishedBackup(to), () => backUpFile(path, to, begin));
  say(`Backup written and looked through: ${to}, ${wholeText(whole)}, ${took()}.`);
}

/** Looks the history file through while it is used. Throws as `checkFile`. */
export async function check(path: string, say: Say): Promise<void> {
  const took = stopwatch();
  const whole = await checkFile(path, (bytes) => say(`Looking ${path} (${sizeText(bytes)}) through …`));
  say(`It is whole: ${wholeText(whole)}, ${took()}.`);
}

/** Puts a backup in the place of the history file; says where that is kept. Throws as `restoreFile`. */
export async function restore(from: string, path: string, say: Say): Promise<void> {
  const took = stopwatch();
  const begin = (bytes: number) => say(`Restoring ${path} from ${from} (${sizeText(bytes)}) …`);
  const { replaced, ...whole } = await restoreFile(from, path, begin);
  say(`Restored: ${wholeText(whole)}, ${took()}.`);
  if (replaced !== null) say(`What was there before is kept: ${replaced}`);
}

/** A backup that is broken off leaves nothing behind. */
async function tidyOnSignal<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
  const tidy = (_signal: NodeJS.Signals, number: number) => {
    for (const path of paths) rmSync(path, { force: true });
    process.exit(128 + number);
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, tidy);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.off(signal, tidy);
  }
}

function stopwatch(): () => string {
  const began = performance.now();
  return () => `in ${((performance.now() - began) / 1_000).toFixed(1)} s`;
}

function wholeText({ rows, bytes }: WholeFile): string {
  return `${rows.toLocaleString('en-US')} rows, ${sizeText(bytes)}`;
}

function sizeText(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.ceil(bytes / 1_000)} kB`;
  return bytes < 1_000_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}
