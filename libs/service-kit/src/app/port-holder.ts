import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

import { canonicalAddress } from '#session-core';

const APP = /\bdist\/apps\/([\w-]+)\/src\/main\.js$/;
const NPM_START = /\bscripts\/start\.mjs$/;
const LISTENS = '0A';
const ANY = ['0.0.0.0', '::'];
/** A server with many workers holds its port with all of them. */
const MAX_NAMED = 3;

interface TakenPort {
  /** From the failed attempt to listen: no name. */
  address: string;
  port: number;
  /** What moves the own server to another port. */
  variable: string;
}

interface Socket {
  inode: string;
  uid: string;
  listens: boolean;
}

/**
 * Who holds a port that cannot be listened on, and what to do about it, as the end of a sentence: `is taken by another process: 4711 (nginx).
 * Stop it, or set BERTH_ADMIN_PORT.` Never the holder's arguments, which may hold secrets.
 *
 * Only Linux tells (`proc`), and only root of other users' processes; else the sentence says which command names the holder.
 */
export function portTaken({ address, port, variable }: TakenPort, proc = '/proc'): string {
  const sockets = socketsAt(address, port, proc);
  const holders = sockets.length === 0 ? [] : holdersOf(sockets, proc);
  const [first] = holders;
  if (first === undefined) return `is taken by ${unseen(sockets[0], port)}. Stop it, or set ${variable}.`;
  const app = holders.map((pid) => ({ pid, name: appOf(pid, proc) })).find(({ name }) => name !== undefined);
  if (app === undefined) {
    const named = holders.slice(0, MAX_NAMED).map((pid) => `${pid} (${nameOf(pid, proc)})`);
    return `is taken by another process: ${named.join(', ')}. Stop it, or set ${variable}.`;
  }
  const parent = parentOf(app.pid, proc);
  const berth = `is taken by another Berth: process ${app.pid} (${app.name})`;
  return argumentsOf(parent, proc).some((word) => NPM_START.test(word))
    ? `${berth} of the npm start with process ${parent}. Stop it with Ctrl-C there or with kill ${parent}, or set ${variable}.`
    : `${berth}. Stop it with kill ${app.pid}, or set ${variable}.`;
}

function unseen(socket: Socket | undefined, port: number): string {
  return socket === undefined
    ? `another process; lsof -nP -iTCP:${port} names it`
    : `another process, of the user with id ${socket.uid}; as root, ss -ltnp 'sport = :${port}' names it`;
}

/** Those that keep others from listening there; where there is no listener, it is an outgoing connection from that very port. */
function socketsAt(address: string, port: number, proc: string): Socket[] {
  const wanted = canonicalAddress(address) ?? address;
  const found = ['tcp', 'tcp6'].flatMap((table) => {
    const [, ...rows] = read(join(proc, 'net', table))
      .trimEnd()
      .split('\n');
    return rows.flatMap((row) => {
      const [, local = '', , state, , , , uid = '', , inode = '0'] = row.trim().split(/\s+/);
      const [host = '', digits = ''] = local.split(':');
      if (inode === '0' || Number.parseInt(digits, 16) !== port) return [];
      const at = addressIn(host);
      const same = at === wanted || ANY.includes(at) || ANY.includes(wanted);
      return same ? [{ inode, uid, listens: state === LISTENS }] : [];
    });
  });
  const listeners = found.filter(({ listens }) => listens);
  return listeners.length > 0 ? listeners : found;
}

/** The kernel writes each 32 bits of an address as a number of this machine, lowest byte first. */
function addressIn(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => word.match(/../g)!.toReversed());
  if (words.length === 1)
    return words
      .flat()
      .map((byte) => Number.parseInt(byte, 16))
      .join('.');
  const groups = words.flatMap(([a, b, c, d]) => [`${a}${b}`, `${c}${d}`]);
  return canonicalAddress(groups.join(':')) ?? '';
}

function holdersOf(sockets: Socket[], proc: string): number[] {
  const links = new Set(sockets.map(({ inode }) => `socket:[${inode}]`));
  return list(proc)
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => list(join(proc, pid, 'fd')).some((fd) => links.has(link(join(proc, pid, 'fd', fd)))))
    .map(Number)
    .toSorted((a, b) => a - b);
}

function appOf(pid: number, proc: string): string | undefined {
  return argumentsOf(pid, proc)
    .map((word) => APP.exec(word)?.[1])
    .find((name) => name !== undefined);
}

function nameOf(pid: number, proc: string): string {
  const [program = ''] = argumentsOf(pid, proc);
  // Some write a title over their arguments: `nginx: master process …`.
  return basename(program.split(/[ :]/)[0] ?? '') || read(join(proc, `${pid}`, 'comm')).trim() || 'of no name';
}

function parentOf(pid: number, proc: string): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(read(join(proc, `${pid}`, 'status')))?.[1]);
}

function argumentsOf(pid: number, proc: string): string[] {
  return read(join(proc, `${pid}`, 'cmdline')).split('\0');
}

/** Processes end while they are looked at, and not everybody may look at all: what cannot be read is empty. */
function unlessGone<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

const read = (file: string) => unlessGone(() => readFileSync(file, 'utf8'), '');
const list = (folder: string) => unlessGone(() => readdirSync(folder), []);
const link = (file: string) => unlessGone(() => readlinkSync(file), '');
