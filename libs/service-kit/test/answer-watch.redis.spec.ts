import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, Module, Param, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';

import { loadConfig } from '#config';
import { createApp, createLogger, Needs, Operation, ProblemException, Tag } from '#service-kit';
import { startRedis, type RedisServer } from '#testing';

import { AnswerWatch } from './answer-watch.js';

const params = z.object({ what: z.string() });
const jsonAnswers = { 200: z.strictObject({ id: z.string() }) };

/** Each call does what its path names, whatever it declares. */
@Controller('things')
@Needs('session.read')
@Tag('things')
class ThingsController {
  @Get('json/:what')
  @Operation({ summary: 'Answers JSON', params, answers: jsonAnswers, problems: ['not-found', ['session-ended', 409]] })
  json(@Param('what') what: string): unknown {
    if (what === 'declared') return { id: 'a' };
    if (what === 'more') return { id: 'a', secret: 1 };
    if (what === 'missing') return {};
    if (what === 'not-found' || what === 'session-ended' || what === 'stale-epoch') {
      throw new ProblemException(what, 'as it is declared', { status: what === 'not-found' ? 404 : 409 });
    }
    if (what === 'status') throw new ProblemException('session-ended', 'with that of the table');
    throw new ProblemException('not-found', 'with a member', { members: { secret: 1 } });
  }

  @Post('nothing/:what')
  @Operation({ summary: 'Answers nothing', params, answers: { 202: null }, problems: [] })
  nothing(@Param('what') what: string): unknown {
    return what === 'declared' ? undefined : { id: 'a' };
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

const answers = new AnswerWatch(ThingsModule);
let redis: RedisServer;
let app: NestFastifyApplication;

beforeAll(async () => {
  redis = await startRedis();
  const config = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
  app = await createApp(answers.app, { config, logger: createLogger(config, 'things', { write: () => true }) });
});

afterAll(async () => {
  await app?.close();
  await redis?.stop();
});

it.each([
  ['GET', 'json/declared', null],
  ['GET', 'json/not-found', null],
  ['GET', 'json/session-ended', null],
  ['POST', 'nothing/declared', null],
  ['GET', 'json/more', 'answered 200: : Unrecognized key: "secret"'],
  ['GET', 'json/missing', 'answered 200: id: '],
  ['GET', 'json/stale-epoch', 'answered 409: the problem stale-epoch is not declared'],
  ['GET', 'json/status', 'answered 410: the problem session-ended is not declared'],
  ['GET', 'json/member', 'answered 404: a problem that is none: : Unrecognized key: "secret"'],
  ['POST', 'nothing/more', 'answered 202: a body where none is declared'],
] as const)('what is answered to %s things/%s is held against its declaration: %s', async (method, path, fault) => {
  await app.inject({ method, url: `/things/${path}` });
  if (fault === null) return expect(() => answers.assertDeclared()).not.toThrow();
  expect(() => answers.assertDeclared()).toThrow(fault);
});
