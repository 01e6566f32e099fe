import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { Books, type StoreClient } from '#session-core';

import { CONFIG, REDIS } from '../tokens.js';
import { Clock } from './clock.js';

/** A command of a list may take longer than a decision: a person waits for it, and nobody's call. */
const LIST_DEADLINE_MS = 2_000;

/** How long a command of a list may take, milliseconds. */
export const listDeadlineMs = ({ decisionDeadlineMs }: BerthConfig['store']): number =>
  Math.max(decisionDeadlineMs, LIST_DEADLINE_MS);

/** Lists of what is on the books, and the time by which they are read. */
@Module({
  providers: [
    Clock,
    {
      provide: Books,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Books(client, listDeadlineMs(store)),
    },
  ],
  exports: [Books, Clock],
})
export class BooksModule {}
