import { Inject, Injectable } from '@nestjs/common';

import { REDIS } from '#service-kit';
import { StoreUnavailableError, type StoreClient } from '#session-core';

/** The clock that decides when a temporary limit ends: that of Redis, as in every decision. */
@Injectable()
export class Clock {
  constructor(@Inject(REDIS) private readonly client: StoreClient) {}

  /** Milliseconds. Throws StoreUnavailableError when Redis does not say. */
  async nowMs(): Promise<number> {
    const [seconds, microseconds] = await this.client.time().catch((cause: unknown) => {
      throw new StoreUnavailableError('Redis did not tell the time', { cause });
    });
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }
}
