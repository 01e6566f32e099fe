import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort, startProcess, type ManagedProcess } from '#testing';

const CONFIG = join(import.meta.dirname, '..', '..', 'examples', 'kamailio', 'kamailio.cfg');
const START_ATTEMPTS = 3;

export interface KamailioOptions {
  /** The two admission gateways. */
  berthUrls: readonly [string, string];
  /** How long a callee may say nothing, in ms. */
  silenceMs?: number;
}

/** The example proxy, as it stands in the repository. */
export interface Kamailio {
  readonly port: number;
  /** Where it sends calls that were admitted. */
  readonly calleePort: number;
  /** Its name in Berth's books; no two proxies have the same. */
  readonly node: string;
  /** What it logged since its start. */
  output(): string;
  /** Every one of its processes dies at once, by SIGKILL. */
  crash(): Promise<void>;
  /** Starts it again after a crash: the same name, a new epoch. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startKamailio({ berthUrls, silenceMs = 5_000 }: KamailioOptions): Promise<Kamailio> {
  const calleePort = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'berth-kamailio-'));
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const node = `kamailio-${port}`;
    const defines = [
      `LISTEN=udp:127.0.0.1:${port}`,
      `CALLEE="sip:127.0.0.1:${calleePort}"`,
      `BERTH_URL="${berthUrls[0]}"`,
      `BERTH_URL_2="${berthUrls[1]}"`,
      `NODE="${node}"`,
      `SILENCE_MS=${silenceMs}`,
    ];
    try {
      const process = await start(['-f', CONFIG, '-Y', dir, '-w', dir, ...defines.flatMap((define) => ['-A', define])]);
      return {
        port,
        calleePort,
        node,
        output: () => process.output(),
        crash: () => killAll(process),
        restart: () => process.restart(),
        async stop() {
          await process.stop();
          await rm(dir, { recursive: true, force: true });
        },
      };
    } catch (error) {
      if (!/Address already in use/.test(String(error)) || attempt === START_ATTEMPTS) {
        await rm(dir, { recursive: true, force: true });
        throw error;
      }
    }
  }
}

function start(args: string[]): Promise<ManagedProcess> {
  // SIGTERM, not SIGKILL: the main process has to take its workers along.
  return startProcess('kamailio', ['-DD', '-E', ...args], { ready: { line: /Asking Berth/ }, deathSignal: 'SIGTERM' });
}

/** The main process first: it would see its workers die, and say goodbye. (Linux) */
async function killAll({ pid, exited }: ManagedProcess): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  for (const one of [pid, ...children.trim().split(' ').map(Number)]) process.kill(one, 'SIGKILL');
  await exited;
}
