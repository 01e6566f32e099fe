import { Inject, Injectable } from '@nestjs/common';

import { groupBehindMs } from '#event-streams';
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
    return await groupBehindMs(this.client, streams, inboxKeys.group);
  }
}
