// The figures of docs/performance.md, measured here and now: node dist/test/load/bench.js [--json] [name …]
import { runBench, type Bench } from './bench-context.js';
import { coreAdmitEnd } from './core-admit-end.js';
import { coreAudit } from './core-audit.js';
import { coreMemory } from './core-memory.js';
import { coreRedisTime } from './core-redis-time.js';
import { expiryMass } from './expiry-mass.js';
import { gatewayCpu } from './gateway-cpu.js';
import { gatewayGrpc } from './gateway-grpc.js';
import { historyRead } from './history-read.js';
import { historyWrite } from './history-write.js';
import { inboxThroughput } from './inbox-throughput.js';
import { limitsCost } from './limits-cost.js';
import type { Measurement } from './measurement.js';
import { nodeLoss } from './node-loss.js';
import { outboxLag } from './outbox-lag.js';
import { refusalStorm } from './refusal-storm.js';
import { asJson, asTable } from './report.js';
import { onBooks } from './sessions.js';

const BENCHES: readonly Bench[] = [
  { name: 'core.admit-end', timeoutMs: 120_000, run: coreAdmitEnd },
  { name: 'core.redis-time', timeoutMs: 90_000, linux: true, run: onBooks(coreRedisTime) },
  { name: 'core.memory', timeoutMs: 120_000, run: onBooks(coreMemory) },
  { name: 'core.audit', timeoutMs: 180_000, linux: true, run: onBooks(coreAudit) },
  { name: 'limits.cost', timeoutMs: 120_000, run: limitsCost },
  { name: 'limits.storm', timeoutMs: 120_000, run: onBooks(refusalStorm) },
  { name: 'gateway.cpu', timeoutMs: 120_000, linux: true, run: gatewayCpu },
  { name: 'gateway.grpc', timeoutMs: 240_000, linux: true, run: gatewayGrpc },
  { name: 'expiry.mass', timeoutMs: 240_000, linux: true, run: onBooks(expiryMass) },
  { name: 'node.loss', timeoutMs: 240_000, run: onBooks(nodeLoss) },
  { name: 'inbox.throughput', timeoutMs: 300_000, linux: true, run: onBooks(inboxThroughput) },
  { name: 'outbox.lag', timeoutMs: 120_000, run: onBooks(outboxLag) },
  { name: 'history.write', timeoutMs: 120_000, run: historyWrite },
  { name: 'history.read', timeoutMs: 1_800_000, run: historyRead },
];

const args = process.argv.slice(2);
const json = args.includes('--json');
const wanted = args.filter((arg) => arg !== '--json');
const unknown = wanted.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  const names = BENCHES.map((bench) => bench.name).join(', ');
  process.stderr.write(
    `There is no bench ${unknown.join(', ')}. Usage: npm run bench -- [--json] [name …], of ${names}\n`,
  );
  process.exit(2);
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());

const measurements: Measurement[] = [];
for (const bench of BENCHES) {
  if (wanted.length > 0 && !wanted.includes(bench.name)) continue;
  try {
    const figures = await runBench(bench, interruption.signal);
    measurements.push(...figures);
    if (json) for (const figure of figures) process.stdout.write(`${asJson(figure)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    if (interruption.signal.aborted) break;
  }
}
if (!json && measurements.length > 0) process.stdout.write(`${asTable(measurements)}\n`);
// A bench that timed out may have left work behind that would keep the process alive.
process.exit();
