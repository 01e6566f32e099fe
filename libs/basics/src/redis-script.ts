import { createHash } from 'node:crypto';

import type { RedisClient } from './redis-client.js';

export type ScriptArgument = string | number | Buffer;

/**
 * A Lua script. Its first use loads it into the server, and so does the next use after the server has forgotten it (SCRIPT FLUSH, failover,
 * a new master), unseen by the caller.
 */
export class RedisScript {
  readonly sha: string;

  constructor(readonly source: string) {
    this.sha = createHash('sha1').update(source).digest('hex');
  }

  /** Strings in the reply are buffers. Rejects with what ioredis rejects with. */
  run(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return this.call((command, text) => client.callBuffer(command, [text, keys.length, ...keys, ...args]));
  }

  /** The same with text in the reply. */
  runForText(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return this.call((command, text) => client.call(command, [text, keys.length, ...keys, ...args]));
  }

  private async call(send: (command: 'EVALSHA' | 'EVAL', text: string) => Promise<unknown>): Promise<unknown> {
    try {
      return await send('EVALSHA', this.sha);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await send('EVAL', this.source);
    }
  }
}
