// Part of `npm run check`: each handler of the three apps declares its operation, with the right that it needs and the schemas of what it takes
// (`operationsOfApp` throws where one does not), each route that an app registers is such an operation, and each operation is a route.
import { Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { loadConfig } from '#config';
import { createApp, createLogger, openApiPath, operationsOfApp } from '#service-kit';

import { builtModule } from '../lib/generated.mjs';
import { sourceFiles } from '../lib/imports.mjs';

const APPS = ['admission-gateway', 'session-reaper', 'limits-admin'];
/** What a handler may read past its decorators, by `reply.request`. */
const PAST_DECORATORS = /\brequest\.(?:body|query|params|raw)\b/;
/** Nothing listens there: routes are registered whether the store is there or not. */
const NO_REDIS = 'redis://127.0.0.1:1';

for (const app of APPS) {
  const { AppModule } = await builtModule(app);
  const declared = new Set(operationsOfApp(AppModule).map(({ method, path }) => `${method} ${path}`));
  const routes = await routesOf(app, AppModule);
  for (const route of routes)
    if (!declared.has(route)) complain(`${app}: the route ${route} is no operation: @Operation`);
  for (const one of declared) if (!routes.has(one)) complain(`${app}: the operation ${one} is no route`);
}
for (const [path, text] of sourceFiles()) {
  const [past] = (path.endsWith('.controller.ts') && PAST_DECORATORS.exec(text)) || [];
  if (past !== undefined) complain(`${path} reads ${past}, which no declaration shows: take @Body, @Query or @Param`);
}
// The apps go on looking for their Redis.
process.exit();

/**
 * What the app registers, as `GET /path/{name}`.
 *
 * @param {string} name
 * @param {import('@nestjs/common').Type} module
 */
async function routesOf(name, module) {
  /** @type {Set<string>} */
  const routes = new Set();
  // oxlint-disable-next-line typescript/no-extraneous-class -- to Nest a module is a class with metadata
  class Watched {}
  /** Is made before any route is registered. */
  const watch = {
    provide: 'routes',
    inject: [HttpAdapterHost],
    /** @param {import('@nestjs/core').HttpAdapterHost} host */
    useFactory: ({ httpAdapter }) => {
      /** @type {import('fastify').FastifyInstance} */
      const server = httpAdapter.getInstance();
      server.addHook('onRoute', ({ method, url }) => {
        for (const one of [method].flat()) if (one !== 'HEAD') routes.add(`${one} ${openApiPath(url)}`);
      });
    },
  };
  Module({ imports: [module], providers: [watch] })(Watched);
  const config = loadConfig({ env: { BERTH_REDIS_URL: NO_REDIS }, cwd: '/' });
  const logger = createLogger(config, name, { write: () => {} });
  await createApp(Watched, { config: { ...config, history: null }, logger });
  return routes;
}

/** @param {string} sentence */
function complain(sentence) {
  console.error(sentence);
  process.exitCode = 1;
}
