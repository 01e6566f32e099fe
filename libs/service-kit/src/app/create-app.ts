import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Server } from 'node:https';

import type { BerthConfig } from '#config';

import { AuthFailures } from '../auth/auth-failures.service.js';
import { authenticate, KeyRefused } from '../auth/authenticate.js';
import { foreignCaller } from '../auth/local-caller.js';
import { strangerOf } from '../auth/stranger.js';
import { ReadinessChecks } from '../health/readiness.js';
import type { Logger } from '../logging/logger.js';
import { NestLogger } from '../logging/nest-logger.js';
import { ProblemFilter, type ProblemFilterOptions } from '../problems/problem.filter.js';
import { contextOptions, tlsOptions } from '../http/tls-options.js';
import { ConfigReload } from '../reload/config-reload.service.js';
import { registerBodyParsers } from './body-parser.js';
import { BrokenHttp } from './broken-http.js';
import { closePolitely } from './polite-close.js';
import { ServiceKitModule } from './service-kit.module.js';
import { watchConnections } from './silent-connections.js';
import { connectTransports } from './transports.js';

const BODY_LIMIT_BYTES = 64 * 1024;
/** An id of 256 bytes, every byte percent-encoded, with room to say in our own words that one is too long. */
const MAX_PARAM_LENGTH = 2_048;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How late Node may notice either of them; 30 s by default. */
const TIMEOUTS_CHECKED_MS = 2_000;
/** Longer than the idle time of common proxies, so that they, not we, give up a connection. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

export interface AppOptions extends ProblemFilterOptions {
  config: BerthConfig;
  logger: Logger;
}

/** Another limit for the body of this route, in bytes. */
export const BodyLimit = (bytes: number) => RouteConfig({ bodyLimit: bytes });

/**
 * The app with everything around it, initialised and not listening: `inject` works at once. A transport that one of its modules provides is a
 * microservice of it, and has begun.
 *
 * Fails when a module does, with that module's error.
 */
export async function createApp(module: Type, options: AppOptions): Promise<NestFastifyApplication> {
  const { config, logger } = options;
  const filter = new ProblemFilter(logger, options);
  const broken = new BrokenHttp(filter);
  const { tls } = config.http;
  const http = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUTS_CHECKED_MS,
    // Without a Host, Node would answer by itself, with an empty body.
    requireHostHeader: false,
  };
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    ...(tls === null ? { http } : { https: { ...http, ...tlsOptions(tls) } }),
    // While it stops, a request on a connection that is still open is served; its answer closes the connection.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    trustProxy: false,
    logger: false,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      filter.answer(strangerOf(config, 'http', request.raw) ?? error, request, reply),
    clientErrorHandler: (error, socket) => broken.answer(error, socket),
    // No middleware is used; without its engine each request takes one hook less.
    skipMiddie: true,
  });
  const server = adapter.getInstance();
  broken.watch(adapter.getHttpServer());
  watchConnections(adapter.getHttpServer());
  registerBodyParsers(server);
  server.addHook('onRoute', (route) => {
    const { bodyLimit } = (route.config ?? {}) as { bodyLimit?: number };
    if (bodyLimit !== undefined) route.bodyLimit = bodyLimit;
  });

  @Module({ imports: [ServiceKitModule.of(config, logger), module] })
  class Root {}

  const app = await NestFactory.create<NestFastifyApplication>(Root, adapter, {
    logger: new NestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  registerAuthentication(server, config, app.get(AuthFailures));
  renewCertificates(app, config);
  closePolitely(app.getHttpServer(), app.get(ReadinessChecks).draining);
  app.useGlobalFilters(filter);
  connectTransports(app);
  await app.init();
  await app.startAllMicroservices();
  await server.ready();
  return app;
}

/** New connections get the certificate that is in force, open ones keep theirs. */
function renewCertificates(app: NestFastifyApplication, config: BerthConfig): void {
  let served = config.http.tls;
  app.get(ConfigReload).onApplied(() => {
    const { tls } = config.http;
    if (tls === null || tls === served) return;
    (app.getHttpServer() as Server).setSecureContext(contextOptions(tls));
    served = tls;
  });
}

/**
 * Before the body is read: a stranger's is not worth reading. Paths that do not exist need a key too. `/health/live` is for anybody, and
 * `/health/ready` needs neither key nor client certificate: what probes has none.
 */
function registerAuthentication(server: FastifyInstance, config: BerthConfig, failures: AuthFailures): void {
  server.decorateRequest('principal', null);
  server.addHook('onRequest', (request, _reply, done) => {
    const { url } = request.routeOptions;
    if (url === '/health/live') return done();
    const isProbe = url?.startsWith('/health/') === true;
    const stranger = isProbe ? foreignCaller(config, request.raw) : strangerOf(config, 'http', request.raw);
    if (stranger !== null) return done(stranger);
    if (isProbe) return done();
    const { authorization, 'berth-tenant': tenant } = request.headers;
    try {
      request.principal = authenticate(config, { authorization, tenant: Array.isArray(tenant) ? tenant[0] : tenant });
      return done();
    } catch (error) {
      if (!(error instanceof KeyRefused)) return done(error as Error);
      const refuse = async () => done(await failures.answer(request.raw, error).catch((failure: Error) => failure));
      void refuse();
    }
  });
}
