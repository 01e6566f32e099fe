import type { Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ConfigError, ConfigFiles, readConfig, type BerthConfig } from '#config';

import { assertSafeBinding } from '../auth/safe-binding.js';
import { ConfigReload } from '../reload/config-reload.service.js';
import { createLogger, withoutCredentials, type Logger } from '../logging/logger.js';
import { MetricsPort } from '../metrics/metrics-port.js';
import type { ProblemFilterOptions } from '../problems/problem.filter.js';
import { ShardsMismatchError } from '../tenants/tenant-refused.errors.js';
import { TenantRegistryService } from '../tenants/tenant-registry.service.js';
import { LOGGER } from '../tokens.js';
import { createApp } from './create-app.js';
import { portTaken } from './port-holder.js';
import { stopProcess } from './process-stop.js';
import { stopOnSignals } from './stop-on-signals.js';

export interface RunOptions {
  /** Of the process, in its log lines. */
  name: string;
  port: (config: BerthConfig) => number;
  /** Listens on what the app has beside HTTP. */
  listenBesides?: (app: NestFastifyApplication) => Promise<void>;
  /** How this app words its problems; see `ProblemFilterOptions`. */
  problems?: (config: BerthConfig) => ProblemFilterOptions;
}

/**
 * The whole life of a process: reads the configuration, starts the app, listens, and ends on SIGTERM or SIGINT (`stopOnSignals`) with exit code 0, in bounded
 * time whatever hangs (`stopProcess`). SIGHUP reads the configuration again (`ConfigReload`).
 *
 * A start that fails says why on standard error, in plain words, and exits with 1; so does a process that finds out later that one of its
 * tenants is not what its configuration says.
 */
export async function runApp(module: Type, { name, port, listenBesides, problems }: RunOptions): Promise<void> {
  let app: NestFastifyApplication | undefined;
  process.on('SIGHUP', () => app?.get(ConfigReload).reload('SIGHUP'));
  try {
    const files = new ConfigFiles(process.cwd());
    const reading = readConfig({ files });
    const { config } = reading;
    assertSafeBinding(config);
    const logger = createLogger(config, name);
    for (const warning of config.warnings) logger.warn(warning);
    app = await createApp(module, { config, logger, ...problems?.(config) });
    await app.get(MetricsPort).listen();
    await listenBesides?.(app);
    await app.listen(port(config), config.host);
    stopOnSignals(app, logger, config.shutdown.graceMs);
    stopOnRefusal(app, name, logger);
    app.get(ConfigReload).watch(reading, files.digests);
    const address = await app.getUrl();
    const url = config.http.tls === null ? address : address.replace(/^http:/, 'https:');
    logger.info({ url, pid: process.pid, config: config.file }, 'Listening');
  } catch (error) {
    process.stderr.write(`${name}: ${startFailure(error)}\n`);
    if (app === undefined) process.exit(1);
    await stopProcess(app, app.get<Logger>(LOGGER), 1);
  }
}

function stopOnRefusal(app: NestFastifyApplication, name: string, logger: Logger): void {
  void app.get(TenantRegistryService).refused.then(async (error) => {
    const { message } = error;
    const what = error instanceof ShardsMismatchError ? 'has another number of shards' : 'is kept by other rules';
    logger.fatal({ reason: message }, `Stopping: a tenant ${what}`);
    process.stderr.write(`${name}: ${message}\n`);
    await stopProcess(app, logger, 1);
  });
}

function startFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const {
    code,
    port = 0,
    address = '',
    message,
  } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE')
    return `cannot start: ${address}:${port} ${portTaken({ address, port, variable: 'BERTH_*_PORT' })}`;
  if (code === 'EADDRNOTAVAIL') return `cannot start: BERTH_HOST names no address of this machine (${address})`;
  if (code === 'EACCES') return `cannot start: no right to listen on ${address}:${port}`;
  return `cannot start: ${withoutCredentials(message ?? String(error))}`;
}
