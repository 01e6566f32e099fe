import { mkdtemp, rm } from 'node:fs/promises';
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
  stop(): Promise<void>;
}

export async function startKamailio({ berthUrls, silenceMs = 1_000 }: KamailioOptions): Promise<Kamailio> {
  const calleePort = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'berth-kamailio-'));
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const defines = [
      `LISTEN=udp:127.0.0.1:${port}`,
      `CALLEE="sip:127.0.0.1:${calleePort}"`,
      `BERTH_URL="${berthUrls[0]}"`,
      `BERTH_URL_2="${berthUrls[1]}"`,
      `SILENCE_MS=${silenceMs}`,
    ];
    try {
      const process = await start(['-f', CONFIG, '-Y', dir, '-w', dir, ...defines.flatMap((define) => ['-A', define])]);
      const stop = async () => {
        await process.stop();
        await rm(dir, { recursive: true, force: true });
      };
      return { port, calleePort, stop };
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
