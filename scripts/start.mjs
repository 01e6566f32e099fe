// `npm start`: Berth on this machine, from a fresh clone to the first call. Installs and builds what is missing, starts a Redis
// of its own unless one is named, and the three apps; stops them in order on Ctrl-C. See docs/operations.md.
import './lib/node-version.mjs';

import { isatty } from 'node:tty';

import { installDependencies } from './install-dependencies.mjs';
import { findOrInstallRedis } from './install-redis.mjs';
import { buildIfStale } from './lib/build.mjs';
import { step } from './lib/progress.mjs';
import { stopSteps } from './lib/run.mjs';
import { claim } from './start/claim.mjs';
import { Fleet } from './start/fleet.mjs';
import { requireFreePorts } from './start/ports.mjs';
import { startRedis } from './start/redis.mjs';
import { screen } from './start/screen.mjs';
import { dataDirFrom, readSettings } from './start/settings.mjs';

// Under npm one Ctrl-C arrives twice: from the terminal and, moments later, from npm.
const SAME_KEY_PRESS_MS = 1_000;
const STOP_WORDS = 'Stopping; Ctrl-C again kills';

/** @type {Fleet | undefined} */
let fleet;
/** @type {Awaited<ReturnType<typeof claim>> | undefined} */
let claimed;
let graceMs = 0;
/** What was asked for: nothing, a stop after the grace of SIGTERM, or one at once. */
let wish = 'none';
/** @type {{ signal: NodeJS.Signals, at: number } | undefined} */
let last;
let stopping = false;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => onSignal(signal));
const terminal = [0, 1, 2].find((fd) => isatty(fd));
process.on('SIGHUP', () => {
  // A terminal that is closed sends it too: then there is nobody left to run for.
  if (terminal !== undefined && !isatty(terminal)) onSignal('SIGTERM');
  else if (fleet?.reload())
    console.log('The apps read their configuration again; their logs say what they make of it.');
});
// npm that was killed outright passes no signal on.
if (process.env.npm_lifecycle_event === 'start') {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    if (wish === 'none') onSignal('SIGTERM');
  }, 1_000).unref();
}
// When the terminal is gone, writing to it must not stop the stopping.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

try {
  await start();
} catch (error) {
  await stop(1, error.message);
}

async function start() {
  const { dataDir, shownDataDir } = dataDirFrom(process.env);
  claimed = await claim(dataDir, shownDataDir);
  await installDependencies();
  await buildIfStale();
  if (stopping) return;
  const settings = await readSettings(process.env);
  graceMs = settings.graceMs;
  await requireFreePorts(settings.host, settings.apps, settings.grpc);
  const program = settings.redis ? undefined : await findOrInstallRedis();
  if (stopping) return;

  const started = new Fleet(dataDir, (message) => void stop(1, message));
  fleet = started;
  /** @type {NodeJS.ProcessEnv} */
  const env = { NODE_ENV: 'production', ...process.env, BERTH_DATA_DIR: dataDir };
  if (program) {
    env.BERTH_REDIS_URL = await step('Starting Redis', () =>
      startRedis({
        program,
        dataDir,
        logFile: started.logFile('redis'),
        onStarted: (child) => started.addRedis(child),
      }),
    );
  }
  await claimed.record({ gateway: settings.apps[0]?.url, redis: started.redisPid });
  if (stopping) return;

  const startApps = async () => {
    for (const app of settings.apps) started.startApp(app, env);
    await started.ready();
  };
  const apps = program ? 'Starting the apps' : `Starting the apps, which wait for the Redis at ${settings.redis}`;
  await step(apps, startApps, { soFar: async () => `not ready yet: ${started.unready.join(', ')}` });
  if (stopping) return;
  const redis = program ? env.BERTH_REDIS_URL : settings.redis;
  console.log(screen({ settings, redis, ownRedis: Boolean(program), shownDataDir }));
}

/**
 * The apps get the kind of signal that came here: SIGTERM drains them, SIGINT stops them at once, and so does a second SIGTERM.
 *
 * @param {NodeJS.Signals} signal
 */
function onSignal(signal) {
  const now = Date.now();
  const isSame = last !== undefined && now - last.at < SAME_KEY_PRESS_MS && (signal === last.signal || wish === 'stop');
  if (isSame) return;
  last = { signal, at: now };
  if (wish === 'none') {
    wish = signal === 'SIGINT' ? 'stop' : 'drain';
    stopSteps(signal);
    void stop(0, fleet ? (wish === 'drain' ? drainWords() : STOP_WORDS) : 'Stopped.', signal);
  } else if (wish === 'drain') {
    wish = 'stop';
    console.log(`${STOP_WORDS} …`);
    fleet?.signal(signal);
  } else {
    fleet?.kill();
    process.exit(130);
  }
}

function drainWords() {
  return graceMs > 0
    ? `Stopping, after ${graceMs / 1_000} s in which the apps serve on; Ctrl-C stops at once`
    : STOP_WORDS;
}

/**
 * Stops all that runs, in order, and ends this process. The first caller's word counts.
 *
 * @param {number} code
 * @param {string} message
 * @param {NodeJS.Signals} signal
 */
async function stop(code, message, signal = 'SIGINT') {
  if (stopping) return;
  stopping = true;
  if (code !== 0) console.error(message);
  else console.log(fleet ? '' : `\n${message}`);
  const running = fleet;
  if (running) {
    const lines = await step(code === 0 ? message : STOP_WORDS, () => running.stop(signal, graceMs));
    for (const line of lines) console.error(line);
    console.log('Stopped; no process is left.');
  }
  await claimed?.release();
  process.exit(code);
}
