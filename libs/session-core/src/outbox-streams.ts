import { shardKeys, shardNumbers, type TenantRef } from './keys.js';

/** A stream that tells what happened in a shard: admissions and endings, or refusals. */
export interface OutboxStream {
  stream: string;
  shard: number;
  kind: 'events' | 'rejections';
}

/** The outbox of a tenant, shard by shard. */
export function outboxOf(tenant: TenantRef): OutboxStream[] {
  return shardNumbers(tenant).flatMap((shard) => {
    const keys = shardKeys(tenant, shard);
    return (['events', 'rejections'] as const).map((kind) => ({ stream: keys[kind], shard, kind }));
  });
}

/** How long a stream of the outbox may get. */
export interface StreamBounds {
  /** Entries; beyond it the oldest go, read or not. */
  maxLength: number;
  /** So many of the newest stay although they are in history, unless memory is short: a user's last refusal is read from there. */
  keepLength: number;
}

/** Of a shard, where history reads it and where nobody does. The first is an hour of 1,000 sessions a second, with a margin. */
export const OUTBOX_BOUNDS = {
  read: {
    events: { maxLength: 7_500_000, keepLength: 10_000 },
    rejections: { maxLength: 500_000, keepLength: 10_000 },
  },
  unread: {
    events: { maxLength: 100_000, keepLength: 100_000 },
    rejections: { maxLength: 10_000, keepLength: 10_000 },
  },
} as const satisfies Record<string, Record<'events' | 'rejections', StreamBounds>>;
