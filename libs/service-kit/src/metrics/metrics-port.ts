import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { fastify, type FastifyInstance } from 'fastify';

import { ConfigError, type BerthConfig } from '#config';

import { BrokenHttp } from '../app/broken-http.js';
import { portTaken } from '../app/port-holder.js';
import { foreignCaller } from '../auth/local-caller.js';
import { isLoopback } from '../auth/safe-binding.js';
import type { Logger } from '../logging/logger.js';
import { ProblemException } from '../problems/problem.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { CONFIG, LOGGER } from '../tokens.js';
import { Metrics } from './metrics.service.js';

const NO_KEYS = { auth: { keys: [] } };

/**
 * `/metrics` and nothing else, for every caller that reaches it: `metrics.port`. On a loopback address it is for requests to loopback hosts alone, as all that is
 * served without a key.
 */
@Injectable()
export class MetricsPort implements OnApplicationShutdown {
  private server: FastifyInstance | undefined;

  constructor(
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Does nothing where no port is configured. Throws `ConfigError` where the port cannot be had. */
  async listen(): Promise<void> {
    const { host, metricsPort: port } = this.config;
    if (port === 0) return;
    this.server = this.makeServer();
    try {
      const url = await this.server.listen({ host, port });
      this.logger.info({ url: `${url}/metrics` }, 'Serving metrics without a key');
    } catch (error) {
      const { code, message, address = host } = error as NodeJS.ErrnoException & { address?: string };
      const why =
        code === 'EADDRINUSE'
          ? portTaken({ address, port, variable: 'metrics.port, for this process alone BERTH_METRICS_PORT' })
          : `cannot be listened on (${code ?? message}); set another one`;
      throw new ConfigError(this.config.file, [`metrics.port: ${host}:${port} ${why}`]);
    }
    if (!isLoopback(host) && this.config.metrics.topUsers > 0) {
      this.logger.warn(
        { host, port },
        'metrics.port answers without a key, with the names of users; let nobody but the scraper reach it, or set metrics.top_users: 0',
      );
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.server?.close();
  }

  private makeServer(): FastifyInstance {
    const { registry } = this.metrics;
    const filter = new ProblemFilter(this.logger);
    const broken = new BrokenHttp(filter);
    const server = fastify({
      logger: false,
      bodyLimit: 1_024,
      requestTimeout: 10_000,
      forceCloseConnections: true,
      http: { requireHostHeader: false },
      frameworkErrors: (error, request, reply) => filter.answer(error, request, reply),
      clientErrorHandler: (error, socket) => broken.answer(error, socket),
    });
    broken.watch(server.server);
    server.addHook('onRequest', (request, _reply, done) => {
      const foreign = isLoopback(this.config.host) ? foreignCaller(NO_KEYS, request.raw) : null;
      if (foreign === null) done();
      else done(foreign);
    });
    server.get('/metrics', async (_request, reply) => {
      void reply.header('Content-Type', registry.contentType);
      return await registry.metrics();
    });
    server.setNotFoundHandler((request, reply) =>
      filter.answer(new ProblemException('not-found', 'This port has /metrics and nothing else'), request, reply),
    );
    server.setErrorHandler((error, request, reply) => filter.answer(error, request, reply));
    return server;
  }
}
