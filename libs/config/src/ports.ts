import type { BerthConfig } from './berth.config.js';
import type { EnvironmentSettings } from './environment.config.js';
import type { FileSettings } from './schema/file.schema.js';

type Ports = Pick<BerthConfig, 'gatewayPort' | 'grpcPort' | 'adminPort' | 'reaperPort' | 'metricsPort'>;

/** All ports. That of the metrics may be none of the others: one file is for all processes. */
export function resolvePorts(file: FileSettings, env: EnvironmentSettings, problems: string[]): Ports {
  const others = {
    BERTH_GATEWAY_PORT: env.BERTH_GATEWAY_PORT ?? 8081,
    BERTH_GRPC_PORT: env.BERTH_GRPC_PORT ?? 50051,
    BERTH_ADMIN_PORT: env.BERTH_ADMIN_PORT ?? 8080,
    BERTH_REAPER_PORT: env.BERTH_REAPER_PORT ?? 8082,
  };
  const metricsPort = env.BERTH_METRICS_PORT ?? file.metrics.port;
  const same = Object.entries(others).find(([, port]) => metricsPort !== 0 && port === metricsPort)?.[0];
  if (same !== undefined) {
    const path = env.BERTH_METRICS_PORT === undefined ? 'metrics.port' : 'BERTH_METRICS_PORT';
    problems.push(`${path}: found ${metricsPort}, which is ${same}; expected a port of its own`);
  }
  return {
    gatewayPort: others.BERTH_GATEWAY_PORT,
    grpcPort: others.BERTH_GRPC_PORT,
    adminPort: others.BERTH_ADMIN_PORT,
    reaperPort: others.BERTH_REAPER_PORT,
    metricsPort,
  };
}
