import { Inject, Injectable } from '@nestjs/common';

import { groupLag } from '#event-streams';
import { REDIS } from '#service-kit';
import { INBOX_STREAMS, inboxKeys, type StoreClient } from '#session-core';

/** How far the reapers are behind what servers publish. */
@Injectable()
export class InboxLagService {
  constructor(@Inject(REDIS) private readonly client: StoreClient) {}

  /**
   * The age of the oldest event that is not applied, milliseconds; 0 if all are. What a reaper has read counts as well: it may be in
   * hand, wait to be tried again, or have been read by a reaper that died. Rejects when Redis does not answer.
   */
  async behindMs(): Promise<number> {
    const streams = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));
    const lags = await Promise.all(streams.map((stream) => groupLag(this.client, stream, inboxKeys.group)));
    return Math.max(...lags.map((lag) => lag?.oldestAgeMs ?? 0));
  }
}
