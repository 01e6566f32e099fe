import { Inject, Injectable } from '@nestjs/common';

import { redisNow } from '#basics';
import { StoreUnavailableError, type StoreClient } from '#session-core';

import { REDIS } from '../tokens.js';

/** The clock that decides when a temporary limit ends: that of Redis, as in every decision. */
@Injectable()
export class Clock {
  constructor(@Inject(REDIS) private readonly client: StoreClient) {}

  /** Whole milliseconds. Throws StoreUnavailableError when Redis does not say. */
  async nowMs(): Promise<number> {
    const nowMs = await redisNow(this.client).catch((cause: unknown) => {
      throw new StoreUnavailableError('Redis did not tell the time', { cause });
    });
    return Math.floor(nowMs);
  }
}
