import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import type { Logger } from '../logging/logger.js';

/** Far more than a part needs to stop while what it talks to answers. */
const STEP_MS = 5_000;

const HOOKS = ['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown'] as const;

/**
 * A part whose work nobody's request waits for: it ends as soon as the process drains, so that others take it over at once, and none of it
 * is left to a kill.
 */
export interface EndsFirst {
  readonly endsFirst: true;
}

/** A part that serves calls beside the HTTP server: it stops when that does. */
export interface ServesCalls {
  /** Takes no more connections and lets calls in flight finish; those that last longer than `cutAfterMs` are cut off. */
  stopServing(cutAfterMs: number): Promise<void>;
}

type Part = Partial<EndsFirst & ServesCalls> &
  Partial<Record<(typeof HOOKS)[number], (...args: unknown[]) => unknown>> &
  object;

/**
 * The steps of a stop: each hook by which a part of the app ends. One that does not end in its time is named in the log and left
 * behind, so that a database or a Redis that hangs keeps the parts after it from nothing.
 */
export class StopSteps {
  private readonly running = new Set<{ step: string }>();
  private readonly parts = new Set<Part>();
  private working: Promise<unknown> | undefined;

  constructor(private readonly logger: Logger) {}

  /** The steps that have begun and not ended, those that were left behind among them. */
  get unfinished(): string[] {
    return [...this.running].map(({ step }) => step);
  }

  /** Rejects with what the work rejects with in its time. */
  async run(step: string, work: () => unknown, limitMs = STEP_MS): Promise<void> {
    const one = { step };
    this.running.add(one);
    const done = (async () => await work())().finally(() => this.running.delete(one));
    done.catch(() => {}); // later than its time nobody waits for it
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, limitMs, 'late')));
    try {
      const outcome = await Promise.race([done, late]);
      if (outcome === 'late')
        this.logger.warn({ step, after_ms: limitMs }, 'A part does not stop; going on without it');
    } finally {
      clearTimeout(timer);
    }
  }

  /** Makes each hook of each part of the app, and the end of its HTTP server, such a step, which is taken once. */
  bound(app: NestFastifyApplication): void {
    if (this.parts.size > 0) return;
    for (const { providers, controllers, injectables } of app.get(ModulesContainer).values()) {
      for (const { instance } of [...providers.values(), ...controllers.values(), ...injectables.values()]) {
        if (typeof instance === 'object' && instance !== null) this.parts.add(instance);
      }
    }
    for (const part of this.parts) this.boundHooks(part);
    const http = app.getHttpAdapter();
    const close = http.close.bind(http);
    http.close = async () => await this.run('HTTP server', close);
  }

  /** Ends those parts that end first; resolves when they have ended. A second call waits for the same. */
  async endWork(): Promise<void> {
    this.working ??= Promise.all([...this.parts].filter(({ endsFirst }) => endsFirst === true).map(endPart));
    await this.working;
  }

  /** The parts that serve calls beside the HTTP server. */
  get serving(): ServesCalls[] {
    return [...this.parts].filter((part): part is Part & ServesCalls => typeof part.stopServing === 'function');
  }

  private boundHooks(part: Part): void {
    for (const hook of HOOKS) {
      const end = part[hook];
      if (typeof end !== 'function') continue;
      const step = `${part.constructor.name}.${hook}`;
      let ended: Promise<void> | undefined;
      part[hook] = async (...args) => await (ended ??= this.run(step, () => end.apply(part, args)));
    }
  }
}

async function endPart(part: Part): Promise<void> {
  for (const hook of HOOKS) await part[hook]?.();
}
