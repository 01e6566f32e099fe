import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { describeWith, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { expectShown, pageText, run, workedExamples } from './worked-example.js';

const PAGES = [
  { page: 'README.md', what: 'five calls, limits, history', tenant: 'readme', least: 15 },
  { page: 'docs/operations.md', what: 'a limit lowered by drain and by trim_now', tenant: 'operations', least: 9 },
  { page: 'docs/api/operators.md', what: 'each curl is answered without a problem', tenant: 'operators', least: 9 },
];
const readme = pageText('README.md');
const [firstScreen = ''] = readme.split('\n## ', 1);

describeWith(['redis-server', 'curl', 'jq'], 'the commands of the pages', () => {
  let redis: RedisServer;
  let berth: Berth;
  let folder: string;
  let addresses: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-readme-'));
    redis = await startRedis();
    // Each page has a tenant of its own, so that none meets what another one has left.
    const configYaml = `tenants: { ${PAGES.map(({ tenant }) => `${tenant}: {}`).join(', ')} }\n`;
    berth = await startBerth({ redisUrl: redis.url, env: { BERTH_DATA_DIR: folder }, configYaml });
    const hostOf = (name: 'admission-gateway' | 'limits-admin') => new URL(berth.app(name).url).host;
    addresses = { '127.0.0.1:8081': hostOf('admission-gateway'), '127.0.0.1:8080': hostOf('limits-admin') };
  });

  afterAll(async () => {
    await berth?.stop();
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(PAGES)(
    '$page shows what its commands answer, one after the other: $what',
    async ({ page, tenant, least }) => {
      await writeFile(join(folder, '.curlrc'), `header = "Berth-Tenant: ${tenant}"\n`);
      const examples = workedExamples(page);
      expect(examples.length).toBeGreaterThanOrEqual(least);
      for (const example of examples) {
        expectShown(example, await run(example, folder, addresses));
      }
    },
  );

  it('answers the same call again with 200, at no cost, and frees the slot when it ends, as the README says', async () => {
    const sessions = `http://${addresses['127.0.0.1:8081']}/v1/sessions`;
    const call = async () =>
      await fetch(sessions, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ sessionId: 'call-again', user: 'erin' }),
      });
    const answers = [await call(), await call()];
    expect(answers.map(({ status }) => status)).toEqual([201, 200]);
    const once = { decision: 'admitted', limits: [{ key: 'erin', active: 1 }] };
    expect(await Promise.all(answers.map(async (answer) => await answer.json()))).toMatchObject([once, once]);
    expect((await fetch(`${sessions}/call-again`, { method: 'DELETE' })).status).toBe(204);
    const users = await fetch(`http://${addresses['127.0.0.1:8080']}/api/sessions/users/erin`);
    expect(await users.json()).toMatchObject({ activeSessions: 0 });
  });

  it('takes one spelling of alice for another', async () => {
    const [, spellings = ''] = /whether she comes as ([^]*?)\. /.exec(readme) ?? [];
    const froms = [...spellings.matchAll(/`([^`]+)`/g)].map(([, from]) => from);
    expect(froms).toHaveLength(3);
    for (const from of froms) {
      const answer = await fetch(`http://${addresses['127.0.0.1:8081']}/v1/sessions:check`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ sessionId: 'call-alice', from }),
      });
      expect(await answer.json()).toMatchObject({ limits: [{ scope: 'user', key: 'alice' }] });
    }
  });
});

describe('the first screen of the README', () => {
  it('has a terminal of six lines: five admitted, the sixth 486, a kill, the BYE heard', () => {
    const [terminal] = workedExamples('README.md');
    expect(terminal?.shown).toBe('admitted admitted admitted admitted admitted 486');
    const [, lines = ''] = /^```console\n([^]*?)\n```$/m.exec(firstScreen) ?? [];
    expect(lines.split('\n')).toHaveLength(6);
  });

  it('leads everybody who may come to a page of their own', () => {
    const [, rows = ''] = /^\| I run +\| page.*\n\| -.*\n([^]*?)\n\n/m.exec(firstScreen) ?? [];
    expect(rows.split('\n').length).toBeGreaterThanOrEqual(5);
    for (const row of rows.split('\n')) expect(row).toMatch(/\]\([^)]+\.md[^)]*\)|the same/);
  });

  it('names the ports that the processes have unless they are configured', () => {
    const reference = pageText('docs/configuration.md');
    const variables = {
      'admission-gateway': 'BERTH_GATEWAY_PORT',
      'limits-admin': 'BERTH_ADMIN_PORT',
      'session-reaper': 'BERTH_REAPER_PORT',
    };
    for (const [name, variable] of Object.entries(variables)) {
      const [, port] = new RegExp(`^\\| (\\d+) +\\| ${name} +\\|`, 'm').exec(firstScreen) ?? [];
      const [, configured] =
        new RegExp(`^\\| \`${variable}\` \\|.*?\\| *\\| \`(\\d+)\` \\|`, 'm').exec(reference) ?? [];
      expect([name, port]).toEqual([name, configured]);
    }
  });

  it('starts Berth by a line of npm, which comes first, and one of Docker, as docker-compose.yml says it', () => {
    const compose = /^docker compose up(?: --[\w-]+)*/m.exec(firstScreen)?.[0];
    expect(compose).toBeDefined();
    expect(pageText('docker-compose.yml')).toContain(`#   ${compose}\n`);
    expect(existsSync(resolve(import.meta.dirname, '../../deploy/compose/berth.yaml.example'))).toBe(true);
    expect(firstScreen).toMatch(/^npm start /m);
    expect(firstScreen).not.toContain('npm test');
    expect(readme).toMatch(/^npm test /m);
  });

  it('says in one line what may be above a limit', () => {
    expect(firstScreen).toMatch(/overshoot: emergency.*published.*lowered.*failover of Redis/s);
  });
});

it('every npm command of the README, CONTRIBUTING and docs is a script of the project', () => {
  const { scripts } = JSON.parse(pageText('package.json')) as { scripts: Record<string, string> };
  const pages = ['README.md', 'CONTRIBUTING.md', 'docs/operations.md', 'docs/performance.md', 'docs/limits.md'];
  for (const page of pages)
    for (const [, name = ''] of pageText(page).matchAll(/\bnpm (?:run )?(?!run|ci|install)([a-z][\w:-]*)/g))
      expect([page, name, scripts[name] !== undefined]).toEqual([page, name, true]);
});
