import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';

import {
  changedSettings,
  ConfigError,
  ConfigFiles,
  digestsNow,
  isTakenOver,
  readConfig,
  takeOver,
  type BerthConfig,
  type ConfigReading,
  type ConfigSource,
  type Digests,
} from '#config';

import { assertSafeBinding } from '../auth/safe-binding.js';
import type { Logger } from '../logging/logger.js';
import { CONFIG, LOGGER } from '../tokens.js';

/** A change is seen after this, and taken over when it is still the same at the next look: within 10 s on a busy machine, too. */
const LOOK_EVERY_MS = 2_000;

type Cause = 'file' | 'SIGHUP';

/**
 * Reads the configuration again when one of its files says another thing, and on SIGHUP. What may change while the process runs is in force
 * when `onApplied` is called; the log names what waits for a restart. A configuration that is wrong changes nothing, and is logged once.
 *
 * The contents of the files are looked at, not their times or events: ConfigMaps swap a link, editors rename, network file systems tell nobody.
 */
@Injectable()
export class ConfigReload implements OnModuleDestroy {
  private readonly listeners: (() => void)[] = [];
  private source: ConfigSource = {};
  /** That of the start, to which settings belong that take a restart. */
  private started: ConfigReading | undefined;
  /** The last that was taken over. */
  private inForce: ConfigReading | undefined;
  /** Of the files in force, and over them those of the last reading, even if that was refused. */
  private read: Digests = new Map();
  private seen: Digests | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Called after each change that was taken over, in the same turn. */
  onApplied(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Begins to look after the files of what the process was started with. */
  watch(started: ConfigReading, digests: Digests, source: ConfigSource = {}): void {
    this.source = source;
    this.started = started;
    this.inForce = started;
    this.read = digests;
    this.lookLater();
  }

  /** Reads the files now. Before `watch` and while the process stops it does nothing. */
  reload(cause: Cause): void {
    if (this.started === undefined || this.inForce === undefined || this.stopped) return;
    const files = new ConfigFiles(this.source.cwd ?? process.cwd());
    this.seen = undefined;
    try {
      const reading = readConfig({ ...this.source, files });
      assertSafeBinding(reading.config);
      refuseLost(this.inForce, reading);
      const contents = [...files.digests].flatMap(([path, digest]) => (this.read.get(path) === digest ? [] : [path]));
      this.read = files.digests;
      this.apply(reading, this.inForce, this.started, { cause, contents });
      this.inForce = reading;
    } catch (error) {
      // Whatever it is, the process goes on as it is.
      this.read = new Map([...this.read, ...files.digests]);
      if (error instanceof ConfigError) {
        const { file, problems } = error;
        this.logger.error(
          { file, problems, cause },
          'The changed configuration is refused; everything stays as it was',
        );
      } else {
        this.logger.error(
          { file: this.inForce.config.file, cause, err: error },
          'The configuration cannot be read again',
        );
      }
    }
  }

  onModuleDestroy(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private lookLater(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.look().finally(() => this.lookLater()), LOOK_EVERY_MS);
    this.timer.unref();
  }

  /** Two looks have to find the same: a program that writes a file in place has not written all of it at first. */
  private async look(): Promise<void> {
    const before = this.read;
    const now = await digestsNow(before.keys());
    if (before !== this.read) return;
    if (isSame(now, before)) this.seen = undefined;
    else if (this.seen !== undefined && isSame(now, this.seen)) this.reload('file');
    else this.seen = now;
  }

  private apply(
    next: ConfigReading,
    inForce: ConfigReading,
    started: ConfigReading,
    why: { cause: Cause; contents: string[] },
  ): void {
    const held = takeOver(this.config, next.config);
    this.logger.level = this.config.logging.level;
    for (const listener of this.listeners) listener();
    const { file, warnings } = next.config;
    const waits = (path: string) => !isTakenOver(path) || isSwitched(path, started, next);
    const changed = changedSettings(inForce.settings, next.settings).filter((path) => !waits(path));
    this.logger.info({ file, changed, ...why }, 'Configuration read again');
    for (const warning of warnings) this.logger.warn(warning);
    const settings = changedSettings(started.settings, next.settings).filter(waits);
    if (settings.length > 0) this.logger.warn({ file, settings }, 'Settings that take a restart stay as they were');
    for (const line of held) this.logger.warn({ file }, line);
  }
}

/** Whether client certificates are asked for is settled when a server starts. */
function isSwitched(path: string, started: ConfigReading, next: ConfigReading): boolean {
  const section = (['http', 'grpc'] as const).find((name) => path === `${name}.tls.client_ca_file`);
  if (section === undefined) return false;
  const asks = ({ settings }: ConfigReading) => settings[section].tls?.client_ca_file !== undefined;
  return asks(started) !== asks(next);
}

/** A file that is gone or cut off would take all keys and limits with it. To do that on purpose, restart. */
function refuseLost(inForce: ConfigReading, { config, isEmpty }: ConfigReading): void {
  const { file } = inForce.config;
  if (inForce.isEmpty || !isEmpty) return;
  const what = config.file === null ? 'there is no such file any more' : 'it says nothing any more';
  throw new ConfigError(file, [`${file}: ${what}; write it again, or restart to run without`]);
}

function isSame(one: Digests, other: Digests): boolean {
  return one.size === other.size && [...one].every(([path, digest]) => other.get(path) === digest);
}
