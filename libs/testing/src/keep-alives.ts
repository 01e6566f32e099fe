import { readdir, readFile, readlink } from 'node:fs/promises';

const ESTABLISHED = '01';
const KEEP_ALIVE_TIMER = '02';
/** The unit in which Linux tells when a timer is due. */
const TICK_MS = 10;

/**
 * Of each connection of this process to one of these ports of 127.0.0.1: in how many milliseconds the system asks a silent peer whether it is
 * still there; null where it never does. On Linux alone.
 */
export async function keepAlives(ports: readonly number[]): Promise<(number | null)[]> {
  const own = await ownSockets();
  const [, ...rows] = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , remote = '', state, , , , , , inode = '']) => {
      const port = Number.parseInt(remote.split(':')[1] ?? '', 16);
      return state === ESTABLISHED && ports.includes(port) && own.has(inode);
    })
    .map(([, , , , , timer = '']) => {
      const [kind, ticks = ''] = timer.split(':');
      return kind === KEEP_ALIVE_TIMER ? Number.parseInt(ticks, 16) * TICK_MS : null;
    });
}

async function ownSockets(): Promise<Set<string>> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return new Set((await Promise.all(links)).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? ''));
}
