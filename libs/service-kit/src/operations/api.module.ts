import { Controller, Get, Inject, Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { z } from 'zod';

import { Needs } from '../auth/rights.guard.js';
import { openApiDocument, type ApiTitle } from './openapi.js';
import { Operation, Tag } from './operation.js';
import { operationsOf, type Operation as DeclaredOperation } from './operations.js';

const TITLE = Symbol('api title');

/** All that the running app has to call. */
@Injectable()
export class ApiOperations {
  constructor(private readonly modules: ModulesContainer) {}

  list(): DeclaredOperation[] {
    const registered = [...this.modules.values()].flatMap(({ controllers }) => [...controllers.values()]);
    return operationsOf(new Set(registered.map(({ metatype }) => metatype as Type)));
  }
}

/** What there is to call, for tools. */
@Controller()
@Tag('process')
export class ApiController {
  private document: Record<string, unknown> | undefined;

  constructor(
    @Inject(TITLE) private readonly title: ApiTitle,
    private readonly operations: ApiOperations,
  ) {}

  @Get('openapi.json')
  @Needs('docs.read')
  @Operation({
    summary: 'Shows all calls as OpenAPI 3.1',
    answers: { 200: z.looseObject({ openapi: z.literal('3.1.0') }) },
    problems: [],
  })
  openApi(): Record<string, unknown> {
    this.document ??= openApiDocument(this.title, this.operations.list());
    return this.document;
  }
}

/** `GET /openapi.json` of the app that imports it, and `ApiOperations` for other readers. */
@Module({})
export class ApiModule {
  static of(title: ApiTitle): DynamicModule {
    return {
      module: ApiModule,
      controllers: [ApiController],
      providers: [{ provide: TITLE, useValue: title }, ApiOperations],
      exports: [ApiOperations],
    };
  }
}
