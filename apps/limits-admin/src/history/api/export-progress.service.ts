import { Inject, Injectable } from '@nestjs/common';

import { groupLag } from '#event-streams';
import { History } from '#history-projector';
import { REDIS } from '#service-kit';
import { historyKeys, InvalidInputError, outboxOf, type StoreClient, type TenantRef } from '#session-core';
import type { Gap, Revisions } from '#session-history';
import { rfc3339 } from '#session-wire';

/** Where the first of exports that follow each other begins. */
const BEGINNING = 'begin';
const CURSOR = /^([\w-]{12})\.(\d{1,16})$/;
/** A header has room for so many; the oldest are joined into one. */
const MAX_GAPS = 100;

/** What an export holds, and where the next one goes on. */
export interface Progress {
  /** Everything that Berth wrote down before that time is in it, but for the gaps; RFC 3339, null while that is not known. */
  completeUntil: string | null;
  gaps: readonly Gap[];
  /** Where a cursor is given: which rows are in it, and the cursor of the next one. */
  going: { revisions: Revisions; lineage: string; next: string } | null;
}

/** How far exports have come. */
@Injectable()
export class ExportProgress {
  constructor(
    private readonly history: History,
    @Inject(REDIS) private readonly client: StoreClient,
  ) {}

  /** Asked before the first row is read. Throws InvalidInputError for a cursor that none of this database is. */
  async of(tenant: TenantRef, cursor: string | undefined): Promise<Progress> {
    const { readable } = this.history;
    // First: what is written down after that may be in the export or not.
    const completeUntil = await this.completeUntil(tenant);
    const { id, revision } = await readable.lineage();
    const going = cursor === undefined ? null : goingOn(cursor, id, revision);
    return { completeUntil, gaps: lastOf(await readable.gaps(tenant.name)), going };
  }

  private async completeUntil(tenant: TenantRef): Promise<string | null> {
    try {
      const streams = outboxOf(tenant).map(({ stream }) => groupLag(this.client, stream, historyKeys.group));
      const lags = await Promise.all(streams);
      // Without its group nobody says what of a stream is in history.
      const times = lags.map((lag) => lag?.doneUntilMs ?? 0);
      return times.includes(0) ? null : rfc3339(Math.min(...times));
    } catch {
      return null; // history can be read without Redis
    }
  }
}

function goingOn(cursor: string, lineage: string, upTo: number): NonNullable<Progress['going']> {
  const next = `${lineage}.${upTo}`;
  if (cursor === BEGINNING) return { revisions: { after: 0, upTo }, lineage, next };
  const [, of, revision = ''] = CURSOR.exec(cursor) ?? [];
  if (of === undefined) {
    throw new InvalidInputError('cursor', `must be ${BEGINNING}, or the Berth-Cursor of an earlier export`);
  }
  const after = Number(revision);
  if (of !== lineage || after > upTo) {
    throw new InvalidInputError(
      'cursor',
      `is of another history database, or of one as it was before a backup was restored: begin again with ${BEGINNING}`,
    );
  }
  return { revisions: { after, upTo }, lineage, next };
}

function lastOf(gaps: readonly Gap[]): readonly Gap[] {
  const older = gaps.slice(0, Math.max(0, gaps.length - MAX_GAPS + 1));
  const [first, last] = [older[0], older.at(-1)];
  if (older.length < 2 || first === undefined || last === undefined) return gaps;
  const entries = older.reduce((sum, gap) => sum + gap.entries, 0);
  return [{ fromMs: first.fromMs, toMs: last.toMs, entries }, ...gaps.slice(older.length)];
}
