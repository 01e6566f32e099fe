import { afterAll } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { loadConfig, type BerthConfig } from '#config';
import { createApp, createLogger } from '#service-kit';

import { AnswerWatch } from '../../../libs/service-kit/test/answer-watch.js';
import { AppModule } from './app.module.js';

export { admission, DEFAULT_TENANT, Fleet } from '../../../libs/session-core/test/fleet.fixture.js';

/** What limits-admin answers in every test is held against what its operations declare. */
export const answers = new AnswerWatch(AppModule);
afterAll(() => answers.assertDeclared());

export interface AdminOptions {
  /** Over the configuration that an empty working directory and no environment give, without history. */
  config?: Partial<BerthConfig>;
  /** Where log lines go. */
  log?: string[];
}

/** The app of this folder, in this process, on the given Redis. */
export async function startAdmin(redisUrl: string, { config, log = [] }: AdminOptions = {}) {
  const loaded = loadConfig({ env: { BERTH_REDIS_URL: redisUrl }, cwd: '/' });
  // Where a test is not about the deadline, a busy machine must not make an outage of a late answer.
  const store = { ...loaded.store, decisionDeadlineMs: 10_000 };
  const patient = { ...loaded, store, redis: { ...loaded.redis, deadlineMs: 10_000 }, history: null };
  const whole = { ...patient, ...config };
  const logger = createLogger(whole, 'limits-admin', { write: (line) => void log.push(line) });
  return new Admin(await createApp(answers.app, { config: whole, logger }));
}

export class Admin {
  private closing: Promise<void> | undefined;

  constructor(readonly app: NestFastifyApplication) {}

  /** Calls `/api/sessions` and this path. */
  async call(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    payload?: unknown,
    headers: Record<string, string> = {},
  ) {
    const reply = await this.app.inject({
      method,
      url: `/api/sessions${path}`,
      headers: { ...headers, ...(payload !== undefined && { 'content-type': 'application/json' }) },
      ...(payload !== undefined && { payload: typeof payload === 'string' ? payload : JSON.stringify(payload) }),
    });
    const body: unknown = reply.payload === '' ? null : reply.json();
    return { status: reply.statusCode, headers: reply.headers, body: body as Record<string, unknown> };
  }

  /** More than once is as once. */
  close(): Promise<void> {
    return (this.closing ??= this.app.close());
  }
}

/** Percent-encodes every byte. */
export function encoded(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}
