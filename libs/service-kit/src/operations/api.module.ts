import { Controller, Get, Inject, Module, type DynamicModule, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { z } from 'zod';

import { Needs } from '../auth/rights.guard.js';
import { openApiDocument, type ApiTitle } from './openapi.js';
import { Operation, Tag } from './operation.js';
import { operationsOf } from './operations.js';

const TITLE = Symbol('api title');

/** What there is to call, for tools. */
@Controller()
@Tag('process')
export class ApiController {
  private document: Record<string, unknown> | undefined;

  constructor(
    @Inject(TITLE) private readonly title: ApiTitle,
    private readonly modules: ModulesContainer,
  ) {}

  @Get('openapi.json')
  @Needs('docs.read')
  @Operation({
    summary: 'Shows all calls as OpenAPI 3.1',
    answers: { 200: z.looseObject({ openapi: z.literal('3.1.0') }) },
    problems: [],
  })
  openApi(): Record<string, unknown> {
    this.document ??= openApiDocument(this.title, operationsOf(this.controllers()));
    return this.document;
  }

  private controllers(): Set<Type> {
    const registered = [...this.modules.values()].flatMap(({ controllers }) => [...controllers.values()]);
    return new Set(registered.map(({ metatype }) => metatype as Type));
  }
}

/** `GET /openapi.json` of the app that imports it. */
@Module({})
export class ApiModule {
  static of(title: ApiTitle): DynamicModule {
    return { module: ApiModule, controllers: [ApiController], providers: [{ provide: TITLE, useValue: title }] };
  }
}
