import { Controller, Get, Header } from '@nestjs/common';

import { Needs } from '#service-kit';

import { docsPage } from './docs.page.js';
import { openApiDocument } from './openapi.js';

/** What there is to call, for people and for their tools. */
@Controller('docs')
@Needs('docs.read')
export class DocsController {
  private readonly page = docsPage();
  private readonly document = openApiDocument();

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'")
  show(): string {
    return this.page;
  }

  @Get('openapi.json')
  openApi(): Record<string, unknown> {
    return this.document;
  }
}
