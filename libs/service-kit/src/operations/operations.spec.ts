import { describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Param, Post, Query, RawBody, Req } from '@nestjs/common';
import { z } from 'zod';

import { Caller, Needs } from '../auth/rights.guard.js';
import { Operation, Tag, type OperationSpec } from './operation.js';
import { operationsOf } from './operations.js';

const declares = (more: Partial<OperationSpec> = {}) =>
  Operation({ summary: 'Does it', answers: { 204: null }, problems: [], ...more });
const params = z.object({ node: z.string() });
const query = z.object({ user: z.string() });
const body = z.object({ max: z.number() });

describe('an operation', () => {
  it('has what its controller says of it', () => {
    @Controller('v1/nodes')
    @Needs('node.speak')
    @Tag('nodes')
    class Nodes {
      @Post(':node/commands::poll')
      @declares({ params, query, body })
      poll(
        @Caller() _caller: unknown,
        @Param('node') _node: string,
        @Query() _query: unknown,
        @Body() _body: unknown,
      ) {}

      @Get()
      @Needs('sessions.read')
      @declares()
      list() {}
    }
    const common = { summary: 'Does it', answers: { 204: null }, problems: [], tag: 'nodes' };
    expect(operationsOf([Nodes])).toEqual([
      { ...common, handler: 'Nodes.list', method: 'GET', path: '/v1/nodes', right: 'sessions.read' },
      {
        ...common,
        handler: 'Nodes.poll',
        method: 'POST',
        path: '/v1/nodes/{node}/commands:poll',
        right: 'node.speak',
        params,
        query,
        body,
      },
    ]);
  });

  // Each of these is a handler that somebody may write.
  it.each([
    ['takes @Body and declares no body', {}, Body()],
    ['takes @Query and declares no query', {}, Query()],
    ["takes @Query('node'), which query does not have", { query }, Query('node')],
    ['declares body and takes no @Body', { body }, Caller()],
    ['declares query and takes no @Query', { query }, Caller()],
    ['takes @Req', { body }, Req()],
    ['takes @RawBody', { body }, RawBody()],
  ])('fails where its handler %s', (message, spec, decorator) => {
    @Controller('v1')
    @Needs('node.speak')
    @Tag('planted')
    class Planted {
      @Post('planted')
      @declares(spec)
      run(@decorator _taken: unknown) {}
    }
    expect(() => operationsOf([Planted])).toThrow(`Planted.run ${message}`);
  });

  it.each([
    ['takes @Param and declares no params', {}, Param('node')],
    ['declares params and takes no @Param', { params }, Caller()],
    ["takes @Param('id'), which params does not have", { params }, Param('id')],
    ['declares the params id; its path has node', { params: z.object({ id: z.string() }) }, Param()],
    ['declares the params node, id; its path has node', { params: params.extend({ id: z.string() }) }, Param()],
    ['declares the params of none; its path has node', {}, Caller()],
  ])('fails where its handler %s', (message, spec, decorator) => {
    @Controller('v1/nodes/:node')
    @Needs('node.speak')
    @Tag('planted')
    class Planted {
      @Get()
      @declares(spec)
      run(@decorator _taken: unknown) {}
    }
    expect(() => operationsOf([Planted])).toThrow(`Planted.run ${message}`);
  });

  it.each([
    ['declare it by @Operation', [Needs('node.speak'), Tag('planted')]],
    ['name a right by @Needs, or @Open', [declares(), Tag('planted')]],
    ['name one by @Tag', [declares(), Needs('node.speak')]],
  ])('fails where its handler lacks something: %s', (message, decorators) => {
    @Controller('v1')
    class Planted {
      @Get('planted')
      run() {}
    }
    for (const decorate of decorators) {
      decorate(Planted.prototype, 'run', Object.getOwnPropertyDescriptor(Planted.prototype, 'run')!);
    }
    expect(() => operationsOf([Planted])).toThrow(message);
  });
});
