import { pause } from '#basics';
import { groupLag } from '#event-streams';
import {
  historyKeys,
  INBOX_STREAMS,
  inboxKeys,
  outboxOf,
  type StoreClient,
  type TenantRef,
  type Traces,
} from '#session-core';

/** Reapers write sums of refusals down once a second or so. */
const REFUSALS_MS = 3_000;
const LOOK_AGAIN_MS = 100;

export interface Settling {
  client: StoreClient;
  traces: Traces;
  tenant: TenantRef;
  user: string;
  /** How long to wait for the readers of streams, milliseconds. */
  patienceMs: number;
}

/**
 * Waits until all that was published of a person until now is where it belongs: what servers published on the books, what happened in history.
 * Refusals that nobody writes down in time are dropped. Returns the name of a stream that is not read in time, null if all are.
 */
export async function settled({ client, traces, tenant, user, patienceMs }: Settling): Promise<string | null> {
  const since = performance.now();
  const isLate = () => performance.now() - since > patienceMs;
  for (let number = 0; number < INBOX_STREAMS; number += 1) {
    const stream = inboxKeys.events(number);
    while (!(await isRead(client, stream, inboxKeys.group, since))) {
      if (isLate()) return stream;
      await pause(LOOK_AGAIN_MS);
    }
  }
  let noted = await traces.notedRefusals(tenant, user);
  while (noted.some(({ waiting }) => waiting > 0) && performance.now() - since < REFUSALS_MS) {
    await pause(LOOK_AGAIN_MS);
    noted = await traces.notedRefusals(tenant, user);
  }
  await traces.dropRefusals(noted);
  const written = performance.now();
  for (const { stream } of outboxOf(tenant)) {
    while (!(await isRead(client, stream, historyKeys.group, written))) {
      if (isLate()) return stream;
      await pause(LOOK_AGAIN_MS);
    }
  }
  return null;
}

/** Whether a group has done all that was in a stream at that moment. */
async function isRead(client: StoreClient, stream: string, group: string, at: number): Promise<boolean> {
  // Redis dates by whole milliseconds, and the age is of a moment after this one: what is doubtful counts as older.
  const asked = performance.now();
  const lag = await groupLag(client, stream, group);
  if (lag === null) return (await client.exists(stream)) === 0;
  return lag.oldestAgeMs === null || lag.oldestAgeMs + 1 < asked - at;
}
