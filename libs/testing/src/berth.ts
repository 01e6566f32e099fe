import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { startProcess, type ManagedProcess } from './managed-process.js';
import { projectRoot } from './project-root.js';

export type BerthAppName = 'admission-gateway' | 'session-reaper' | 'limits-admin';

export interface BerthOptions {
  redisUrl: string;
  /** All three by default. */
  apps?: BerthAppName[];
  /** How many admission gateways; 1 by default. */
  gateways?: number;
  env?: Record<string, string>;
  /** The configuration file's text; no file by default. */
  configYaml?: string;
  /** Whether that has `http.tls`. */
  https?: boolean;
}

export interface BerthApp {
  readonly name: BerthAppName;
  /** `http://127.0.0.1:port`, with `https` where that is served. */
  readonly url: string;
  /** `127.0.0.1:port`: where a gateway serves gRPC. */
  readonly grpc: string;
  readonly process: ManagedProcess;
}

/** Berth's own processes, as built, on free loopback ports. */
export interface Berth {
  readonly gateways: readonly BerthApp[];
  readonly apps: readonly BerthApp[];
  /** The first app of that name; fails if it was not started. */
  app(name: BerthAppName): BerthApp;
  /** Stops all of them, by SIGINT, and removes their files. */
  stop(): Promise<void>;
}

const PORT_VARIABLE = {
  'admission-gateway': 'BERTH_GATEWAY_PORT',
  'session-reaper': 'BERTH_REAPER_PORT',
  'limits-admin': 'BERTH_ADMIN_PORT',
} as const satisfies Record<BerthAppName, string>;

const START_ATTEMPTS = 3;

/** By `host:port`, each app that was started in this suite. */
const running = new Map<string, BerthAppName>();

/** Which of the apps that this suite started has the address; null for another server. */
export function runningApp(url: string): BerthAppName | null {
  return running.get(new URL(url).host) ?? null;
}

/** Starts the built apps (`npm run build` first) and waits until each is ready. */
export async function startBerth(options: BerthOptions): Promise<Berth> {
  const { apps = ['admission-gateway', 'session-reaper', 'limits-admin'], gateways = 1 } = options;
  const dir = await mkdtemp(join(tmpdir(), 'berth-apps-'));
  const env: Record<string, string> = { BERTH_REDIS_URL: options.redisUrl, ...options.env };
  if (options.configYaml !== undefined) {
    env['BERTH_CONFIG'] = join(dir, 'config.yaml');
    await writeFile(env['BERTH_CONFIG'], options.configYaml);
  }
  const names = apps.flatMap((name) =>
    name === 'admission-gateway' ? Array.from({ length: gateways }, () => name) : [name],
  );
  const starts = await Promise.allSettled(
    names.map((name) => startApp(name, env, dir, options.https === true ? 'https' : 'http')),
  );
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async () => {
    await Promise.all(started.map((app) => app.process.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    apps: started,
    gateways: started.filter((app) => app.name === 'admission-gateway'),
    app(name) {
      const found = started.find((app) => app.name === name);
      if (found === undefined) throw new Error(`${name} was not started`);
      return found;
    },
    stop,
  };
}

async function startApp(
  name: BerthAppName,
  env: Record<string, string>,
  cwd: string,
  scheme: 'http' | 'https',
): Promise<BerthApp> {
  const main = join(projectRoot(), 'dist', 'apps', name, 'src', 'main.js');
  if (!existsSync(main)) throw new Error(`${name} is not built; npm run build`);
  for (let attempt = 1; ; attempt += 1) {
    const [port, grpcPort] = [await freePort(), await freePort()];
    const url = `${scheme}://127.0.0.1:${port}`;
    const ports = { [PORT_VARIABLE[name]]: String(port), BERTH_GRPC_PORT: String(grpcPort) };
    try {
      const app = await startProcess(process.execPath, [main], {
        // An empty working directory: no berth.yaml of the developer may be picked up.
        cwd,
        env: { NODE_OPTIONS: undefined, ...env, ...ports },
        ready: { url: `${url}/health/ready` },
        // In order, without the grace that SIGTERM gives to callers.
        stopSignal: 'SIGINT',
      });
      running.set(new URL(url).host, name);
      return { name, url, grpc: `127.0.0.1:${grpcPort}`, process: app };
    } catch (error) {
      if (!/ is taken by /.test(String(error)) || attempt === START_ATTEMPTS) throw error;
    }
  }
}
