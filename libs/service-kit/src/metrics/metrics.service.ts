import { Injectable } from '@nestjs/common';
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type CounterConfiguration,
  type GaugeConfiguration,
  type HistogramConfiguration,
} from 'prom-client';

type Declaration<C> = Omit<C, 'registers'>;

/** The metrics of this process, in a registry of its own, with the defaults of the process. Declare each metric once, in a `*.metrics.ts`. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string>(declaration: Declaration<CounterConfiguration<L>>): Counter<L> {
    return new Counter({ ...declaration, registers: [this.registry] });
  }

  gauge<L extends string>(declaration: Declaration<GaugeConfiguration<L>>): Gauge<L> {
    return new Gauge({ ...declaration, registers: [this.registry] });
  }

  histogram<L extends string>(declaration: Declaration<HistogramConfiguration<L>>): Histogram<L> {
    return new Histogram({ ...declaration, registers: [this.registry] });
  }
}
