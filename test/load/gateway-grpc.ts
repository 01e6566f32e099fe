import type { BenchContext } from './bench-context.js';
import { httpCall } from './http-admissions.js';
import { forEachInFlight } from './in-flight.js';
import { anAdmission, startEcho, startGateway, startLoad, type LoadOrder } from './load-processes.js';
import type { Measurement } from './measurement.js';
import { processorMicroseconds } from './process-cpu.js';
import { alternate, compare, median } from './rounds.js';
import { mustEnd } from './sessions.js';

const ROUNDS = 7;
const REQUESTS = 3_000;
const IN_FLIGHT = 32;
/** So many that the hot paths are compiled before anything is counted. */
const WARM_UP = 6_000;

/**
 * What gRPC costs: processor time of the gateway per admission over gRPC less that over HTTP, next to the same difference of two servers that only
 * echo (grpc-js and Fastify); and admissions a second over either.
 */
export async function gatewayGrpc(context: BenchContext): Promise<Measurement[]> {
  const { store, gateway } = await startGateway(context);
  const { pid } = gateway.process;
  const answer = await anAdmission(gateway.url);
  const echoes = {
    http: await startEcho(context, 'http-echo', answer),
    grpc: await startEcho(context, 'grpc-echo', answer),
  };
  const load = { http: startLoad(context, 'http-load'), grpc: startLoad(context, 'grpc-load') };
  const urls = { http: gateway.url, grpc: gateway.grpc };
  const rates: Record<'http' | 'grpc', number[]> = { http: [], grpc: [] };

  let next = 1;
  context.progress('warming up');
  for (const transport of ['http', 'grpc'] as const) {
    await endAll((await admit(transport, WARM_UP)).from, WARM_UP);
    await load[transport]({ url: echoes[transport].url, from: 0, count: WARM_UP, inFlight: IN_FLIGHT });
  }

  context.progress(`${ROUNDS} rounds of ${REQUESTS} requests, ${IN_FLIGHT} at a time`);
  const costs = await alternate(ROUNDS, {
    http: async () => await cost('http'),
    grpc: async () => await cost('grpc'),
    httpEcho: async () => await echoCost('http'),
    grpcEcho: async () => await echoCost('grpc'),
  });
  const added = less(costs.grpc, costs.http);
  const addedToEcho = less(costs.grpcEcho, costs.httpEcho);
  return [
    {
      name: 'gateway.grpc',
      unit: 'µs of CPU per admission more than over HTTP',
      // Of the medians: a difference of two rounds is too small beside their noise.
      value: median(added),
      baseline: median(addedToEcho),
      ratio: median(added) / median(addedToEcho),
      target: { of: 'ratio', is: 'at most', bound: 1.3 },
    },
    {
      name: 'gateway.grpc/rate',
      unit: 'admissions/s, beside HTTP',
      ...compare(rates.grpc.slice(1), rates.http.slice(1)),
      target: { of: 'ratio', is: 'at least', bound: 0.7 },
    },
    {
      name: 'gateway.grpc/processor',
      unit: 'µs of CPU per admission, beside HTTP',
      ...compare(costs.grpc, costs.http),
    },
  ];

  async function admit(transport: 'http' | 'grpc', count: number): Promise<{ from: number; seconds: number }> {
    const from = next;
    next += count;
    const order: LoadOrder = { url: urls[transport], from, count, inFlight: IN_FLIGHT };
    return { from, seconds: await load[transport](order) };
  }

  async function cost(transport: 'http' | 'grpc'): Promise<number> {
    const before = await processorMicroseconds(pid);
    const { from, seconds } = await admit(transport, REQUESTS);
    const used = (await processorMicroseconds(pid)) - before;
    rates[transport].push(REQUESTS / seconds);
    await endAll(from, REQUESTS);
    return used / REQUESTS;
  }

  async function echoCost(transport: 'http' | 'grpc'): Promise<number> {
    const { url, pid: echo } = echoes[transport];
    const before = await processorMicroseconds(echo);
    await load[transport]({ url, from: 0, count: REQUESTS, inFlight: IN_FLIGHT });
    return ((await processorMicroseconds(echo)) - before) / REQUESTS;
  }

  /** Behind the gateway's back, so that its books do not grow from round to round. */
  async function endAll(from: number, count: number): Promise<void> {
    await forEachInFlight(count, 64, (index) => mustEnd(store, httpCall(from + index)));
  }
}

function less(figures: readonly number[], others: readonly number[]): number[] {
  return figures.map((figure, round) => figure - (others[round] ?? Number.NaN));
}
