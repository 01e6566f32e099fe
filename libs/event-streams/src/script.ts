import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import type { RedisClient } from './connection.js';
import { messageOf } from './errors.js';

/** A Lua script by name. Its first use loads it, and so does the next one after the server has forgotten it. */
export class Script {
  private readonly source: string;
  private readonly sha: string;

  constructor(name: string) {
    this.source = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
    this.sha = createHash('sha1').update(this.source).digest('hex');
  }

  /** Rejects with what ioredis rejects with. */
  async run(client: RedisClient, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await client.call('EVALSHA', [this.sha, keys.length, ...keys, ...args]);
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
      return await client.call('EVAL', [this.source, keys.length, ...keys, ...args]);
    }
  }
}
