import { Readable } from 'node:stream';

import { Controller, Get, Inject, Query, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { History } from '#history-projector';
import {
  Caller,
  ifUndelivered,
  LOGGER,
  Needs,
  Operation,
  parseQuery,
  Tag,
  type Logger,
  type Principal,
} from '#service-kit';
import { rfc3339 } from '#session-wire';

import { Tenants } from '../../tenants.service.js';
import { announce, sendTrailers, summaryOf } from './export-fields.js';
import { ExportProgress } from './export-progress.service.js';
import { begun, ExportText } from './export-text.js';
import { HISTORY } from './history.operations.js';
import { exportQuery } from './history.schema.js';
import { Questions } from './questions.js';

const FORMATS = {
  csv: { name: 'csv', type: 'text/csv; charset=utf-8; header=present' },
  jsonl: { name: 'json-lines', type: 'application/x-ndjson; charset=utf-8' },
} as const;

/** All rows of a filter as a file, however many. */
@Controller('api/sessions/history')
@Needs('sessions.read')
@Tag('history')
export class ExportController {
  constructor(
    private readonly history: History,
    private readonly questions: Questions,
    private readonly progress: ExportProgress,
    private readonly tenants: Tenants,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Reads on as the caller does, and stops with the caller. What fails before the first row is a problem; later the connection breaks,
   * and the trailers with the number of rows, their digest and the next cursor are missing.
   */
  @Get('export')
  @Operation(HISTORY.export)
  async export(
    @Caller() caller: Principal,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const tenant = this.tenants.of(caller);
    const { format, cursor, ...asked } = parseQuery(exportQuery, query);
    const { name, type } = FORMATS[format];
    const filter = this.questions.filter(caller, asked);
    const { readable } = this.history;
    const progress = await this.progress.of(tenant, cursor);
    const { going } = progress;
    const chunks =
      going === null
        ? readable.export(tenant.name, filter, name)
        : readable.exportRevisions(tenant.name, filter, name, going.revisions);
    const lastLine = format === 'jsonl' && going !== null ? summaryOf(progress, going.next) : () => '';
    const text = new ExportText({ chunks: await begun(chunks), lastLine, logger: this.logger });
    const stream = Readable.from(text, { objectMode: false });
    // Also where nothing of it was asked for yet.
    stream.once('close', () => void chunks.return(undefined));
    ifUndelivered(reply, () => stream.destroy());
    announce(reply, progress);
    sendTrailers(reply, {
      'Berth-Rows': () => String(text.rows),
      'Content-Digest': () => text.digest,
      ...(going !== null && { 'Berth-Cursor': () => going.next }),
    });
    const at = rfc3339(Date.now()).replaceAll(/[-:]|\.\d+/g, '');
    return new StreamableFile(stream, {
      type,
      disposition: `attachment; filename="berth-history-${tenant.name}-${at}.${format}"`,
    });
  }
}
