import type { BenchContext } from './bench-context.js';
import { httpCall } from './http-admissions.js';
import { forEachInFlight } from './in-flight.js';
import { anAdmission, startEcho, startGateway, startLoad } from './load-processes.js';
import type { Measurement } from './measurement.js';
import { processorMicroseconds } from './process-cpu.js';
import { alternate, compare } from './rounds.js';
import { mustEnd } from './sessions.js';

const ROUNDS = 7;
const REQUESTS = 3_000;
const CONNECTIONS = 32;
/** So many that the hot paths are compiled before anything is counted. */
const WARM_UP = 6_000;

/** Processor time of the gateway per admission over HTTP keep-alive, next to that of a bare Fastify with the same exchange. */
export async function gatewayCpu(context: BenchContext): Promise<Measurement[]> {
  const { store, gateway } = await startGateway(context);
  const echo = await startEcho(context, 'http-echo', await anAdmission(gateway.url));
  const load = startLoad(context, 'http-load');

  let next = 1;
  const admit = async (count: number) => {
    const from = next;
    next += count;
    await load({ url: gateway.url, from, count, inFlight: CONNECTIONS });
    return from;
  };
  context.progress('warming up');
  await endAll(await admit(WARM_UP), WARM_UP);
  await load({ url: echo.url, from: 0, count: WARM_UP, inFlight: CONNECTIONS });

  context.progress(`${ROUNDS} rounds of ${REQUESTS} requests over ${CONNECTIONS} connections`);
  const costs = await alternate(ROUNDS, {
    async gateway() {
      const before = await processorMicroseconds(gateway.process.pid);
      const from = await admit(REQUESTS);
      const used = (await processorMicroseconds(gateway.process.pid)) - before;
      await endAll(from, REQUESTS);
      return used / REQUESTS;
    },
    async echo() {
      const before = await processorMicroseconds(echo.pid);
      await load({ url: echo.url, from: 0, count: REQUESTS, inFlight: CONNECTIONS });
      return ((await processorMicroseconds(echo.pid)) - before) / REQUESTS;
    },
  });
  return [
    {
      name: 'gateway.cpu',
      unit: 'µs of CPU per admission',
      ...compare(costs.gateway, costs.echo),
      target: { of: 'ratio', is: 'at most', bound: 3 },
    },
  ];

  /** Behind the gateway's back, so that its books do not grow from round to round. */
  async function endAll(from: number, count: number): Promise<void> {
    await forEachInFlight(count, 64, (index) => mustEnd(store, httpCall(from + index)));
  }
}
