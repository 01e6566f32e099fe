import { randomUUID } from 'node:crypto';

import { loadConfig, type BerthConfig, type TenantConfig } from '#config';
import { closeRedis, connectRedis, runCommand, whenReady, type CommandLine } from '#service-kit';
import { identityText, isSameIdentity, Rekey, TenantsStore, type Registration, type StoreClient } from '#session-core';

import { reportLines } from './rekey-report.js';

export const USAGE = `Usage:

  npm run tenant -- show [tenant]      what is registered of the tenant, and what the configuration says
  npm run tenant -- rekey [tenant]     changes its books to the identity rules (case, domain) of the configuration

Without a name: every tenant of the configuration. That is the one of the service: BERTH_CONFIG or berth.yaml, BERTH_REDIS_URL.
While rekey runs the tenant answers 503. If it is interrupted, the tenant stays closed; run it again, and it does what is left.
Exit codes: 0 done, 1 not done, 2 not understood.`;

const WORDS = ['show', 'rekey'] as const;
type Word = (typeof WORDS)[number];

/** Nobody waits for a single call; a short stall of Redis must not break a long run off. */
const CALL_MS = 10_000;
const CONNECT_MS = 5_000;
/** Processes look at the registration every second, and their calls take a second at most. */
const NOTICE_MS = 2_500;
const PROGRESS_MS = 1_000;

/** Shows or changes how the books of a tenant are kept: see `USAGE`. Resolves with the exit code; it prints what went wrong. */
export async function tenantCommand(line: CommandLine): Promise<number> {
  return await runCommand(line, { name: 'tenant', usage: USAGE, misunderstanding, run: () => inTurn(line) });
}

async function inTurn({ words, say, complain }: CommandLine): Promise<number> {
  const [word, name] = words as [Word, string?];
  const config = loadConfig();
  const tenants = chosen(config, name);
  return await withRedis(config, async (client) => {
    let code = 0;
    for (const tenant of tenants) {
      const done = word === 'show' ? await show(tenant, client, say) : await rekey(tenant, client, say, complain);
      if (!done) code = 1;
    }
    return code;
  });
}

function misunderstanding([word, name, ...more]: readonly string[]): string | null {
  const expected = `expected ${WORDS.join(' or ')}`;
  if (word === undefined) return `What to do is missing, ${expected}`;
  if (!WORDS.includes(word as Word)) return `Found ${JSON.stringify(word)}, ${expected}`;
  if (name?.startsWith('-') || name === '') return `Found ${JSON.stringify(name)} in place of a tenant`;
  return more.length > 0 ? `${word} takes one tenant, or none for all` : null;
}

function chosen({ tenants }: BerthConfig, name: string | undefined): TenantConfig[] {
  if (name === undefined) return Object.values(tenants);
  const found = Object.hasOwn(tenants, name) ? tenants[name] : undefined;
  if (found !== undefined) return [found];
  throw new Error(`No tenant ${JSON.stringify(name)} in the configuration; it has ${Object.keys(tenants).join(', ')}`);
}

async function withRedis<T>({ redis }: BerthConfig, work: (client: StoreClient) => Promise<T>): Promise<T> {
  let last: Error | undefined;
  const onError = (error: Error) => void (last = error);
  const client = connectRedis({ ...redis, deadlineMs: CALL_MS }, { purpose: 'decisions', onError });
  try {
    if (await whenReady(client, CONNECT_MS)) return await work(client);
    throw new Error(`Redis does not answer: ${last?.message ?? `no connection within ${CONNECT_MS / 1_000} s`}`);
  } finally {
    await closeRedis(client);
  }
}

async function show(tenant: TenantConfig, client: StoreClient, say: (line: string) => void): Promise<boolean> {
  const known = await new TenantsStore({ client, deadlineMs: CALL_MS }).registration(tenant.name);
  if (known === null) {
    say(`${tenant.name}: not registered; its first process creates it with ${identityText(tenant.identity)}`);
    return true;
  }
  const since = new Date(known.createdAtMs).toISOString();
  say(
    `${tenant.name}: shards: ${known.shards}, created at ${since}, format ${known.format ?? '1 (not registered yet)'}`,
  );
  say(
    `  registered identity: ${known.identity === null ? 'none yet; the first process to start registers its own' : identityText(known.identity)}`,
  );
  const differs = known.identity !== null && !isSameIdentity(known.identity, tenant.identity);
  say(`  configured identity: ${identityText(tenant.identity)}${differs ? ', which is another' : ''}`);
  if (known.rekey !== null) say(`  ${rekeyText(known, known.rekey, tenant.name)}`);
  return true;
}

function rekeyText({ rekeying }: Registration, to: NonNullable<Registration['rekey']>, name: string): string {
  const since = new Date(to.sinceMs).toISOString();
  const what = `closed: being changed to ${identityText(to)} since ${since}`;
  return rekeying
    ? `${what}; a run is at work`
    : `${what}; no run is at work, finish it with: npm run tenant -- rekey ${name}`;
}

async function rekey(
  tenant: TenantConfig,
  client: StoreClient,
  say: (line: string) => void,
  complain: (line: string) => void,
): Promise<boolean> {
  const { name, identity, tombstoneMs } = tenant;
  const startedAtMs = performance.now();
  let reportedAtMs = startedAtMs;
  const outcome = await new Rekey({
    client,
    tombstoneMs,
    deadlineMs: CALL_MS,
    noticeMs: NOTICE_MS,
    holder: randomUUID(),
    onBegin: (from) =>
      say(`${name}: changing ${identityText(from)} to ${identityText(identity)}; the tenant is closed`),
    onProgress(looked, of) {
      if (performance.now() - reportedAtMs < PROGRESS_MS) return;
      reportedAtMs = performance.now();
      say(`${name}: ${looked.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} sessions`);
    },
  }).run(tenant);
  if (outcome.kind === 'refused') {
    complain(`${name}: ${outcome.reason}`);
    return false;
  }
  if (outcome.kind === 'unchanged') {
    say(`${name}: its books have ${identityText(identity)}; nothing to do`);
    return true;
  }
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
  say(`${name}: done in ${seconds} s; the tenant is open for processes with ${identityText(identity)}`);
  for (const line of reportLines(outcome.report)) say(`  ${line}`);
  return true;
}
