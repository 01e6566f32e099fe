import type { FastifyReply } from 'fastify';

import { rfc3339 } from '#session-wire';

import type { Progress } from './export-progress.service.js';
import { gapsView } from './history.view.js';

/** Says in the header what the export holds: until when it is complete, what history lacks, and of which database the revisions of its rows are. */
export function announce(reply: FastifyReply, { completeUntil, gaps, going }: Progress): void {
  if (completeUntil !== null) void reply.header('Berth-Complete-Until', completeUntil);
  if (gaps.length > 0) {
    const list = gaps.map(({ fromMs, toMs, entries }) => `"${rfc3339(fromMs)}/${rfc3339(toMs)}";events=${entries}`);
    void reply.header('Berth-Gaps', list.join(', '));
  }
  if (going !== null) void reply.header('Berth-Lineage', going.lineage);
}

/** The last line of JSON Lines: the same, for clients that read no trailers. */
export function summaryOf({ completeUntil, gaps }: Progress, cursor: string): (rows: number) => string {
  return (rows) => `${JSON.stringify({ export: { rows, cursor, completeUntil, ...gapsView(gaps) } })}\n`;
}

/** Sends these behind the body, where all of it was sent. */
export function sendTrailers(reply: FastifyReply, trailers: Readonly<Record<string, () => string>>): void {
  for (const [name, value] of Object.entries(trailers)) reply.trailer(name, async () => value());
  // Fastify names them with blanks between, which is no list (RFC 9110, 6.6.2). Its headers are set by then, and not sent.
  reply.raw.once('pipe', () => reply.raw.setHeader('Trailer', Object.keys(trailers).join(', ')));
}
