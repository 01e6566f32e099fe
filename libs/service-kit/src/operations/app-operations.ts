import type { Type } from '@nestjs/common';

import { HealthModule } from '../health/health.module.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { controllersOf, operationsOf, type Operation } from './operations.js';

/** The operations of an app that `createApp` makes of this module. */
export function operationsOfApp(module: Type): Operation[] {
  return operationsOf(controllersOf([module, HealthModule, MetricsModule]));
}
