import { Controller, Get, Header } from '@nestjs/common';

import { ApiOperations, Needs, Operation, Tag } from '#service-kit';

import { docsPage } from './docs.page.js';

/** What there is to call, for people; their tools read `/openapi.json`. */
@Controller('docs')
@Needs('docs.read')
@Tag('process')
export class DocsController {
  private page: string | undefined;

  constructor(private readonly operations: ApiOperations) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'")
  @Operation({
    summary: 'Shows all calls as a page',
    answers: { 200: { media: ['text/html'], says: 'A page that needs nothing from elsewhere' } },
    problems: [],
  })
  show(): string {
    this.page ??= docsPage(this.operations.list());
    return this.page;
  }
}
