import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { format } from 'prettier';

import { buf } from './buf.mjs';
import { clientTypes } from './client-types.mjs';
import { root } from './paths.mjs';

/** @typedef {{ path: string, text: string }} GeneratedFile */

const API_PAGES = /** @type {const} */ ({ 'admission-gateway': 'servers.md', 'limits-admin': 'operators.md' });

/**
 * The files that are written from the code, as they are to be, by the command that writes them. Most are read from the build: build first.
 *
 * @type {Record<string, () => Promise<GeneratedFile[]>>}
 */
export const GENERATED = {
  'npm run descriptor-set': descriptorSet,
  'npm run api-reference': apiReference,
  'npm run client-types': typesOfClient,
  'npm run config-reference': async () => {
    const { configReference } = await import('#config');
    return [{ path: 'docs/configuration.md', text: configReference() }];
  },
};

/**
 * Writes what this command is for.
 *
 * @param {string} command
 */
export async function writeGenerated(command) {
  const files = (await GENERATED[command]?.()) ?? [];
  for (const { path, text } of files) await writeFile(join(root, path), text);
}

/** @param {string} app */
export async function builtModule(app) {
  const path = new URL(`../../dist/apps/${app}/src/app.module.js`, import.meta.url);
  return await import(path.href);
}

/** What servers call; the rest of the gateway is for people and probes. */
const FOR_SERVERS = ['sessions', 'nodes', 'commands', 'events'];
/** What the session manager asks of limits-admin. */
const FOR_MANAGERS = ['sessions_active', 'users_terminate', 'statistics_stats', 'history_list'];

async function typesOfClient() {
  const path = 'libs/client/src/generated/operations.ts';
  const gateway = await openApiOf('admission-gateway');
  const admin = await openApiOf('limits-admin');
  const parts = [
    { document: gateway, wants: (/** @type {any} */ { tags }) => FOR_SERVERS.includes(tags[0]) },
    { document: admin, wants: (/** @type {any} */ { operationId }) => FOR_MANAGERS.includes(operationId) },
  ];
  return [{ path, text: await clientTypes(parts, join(root, path)) }];
}

/** The files of protos/ as one document. */
async function descriptorSet() {
  const written = await buf('build', '--as-file-descriptor-set', '--exclude-source-info', '--output', '-#format=json');
  const text = await format(written, { parser: 'json', printWidth: 120 });
  return [{ path: 'apps/admission-gateway/src/grpc/descriptor-set.json', text }];
}

/** The OpenAPI documents, and the pages of docs/api with their tables filled. */
async function apiReference() {
  const { fillReference, operationsOfApp } = await import('#service-kit');
  const files = [];
  for (const [app, page] of Object.entries(API_PAGES)) {
    const { AppModule } = await builtModule(app);
    const operations = operationsOfApp(AppModule);
    const document = JSON.stringify(await openApiOf(app));
    const text = await format(document, { parser: 'json', printWidth: 120 });
    files.push({ path: `docs/openapi/${app}.json`, text });
    const path = `docs/api/${page}`;
    files.push({ path, text: fillReference(await readFile(join(root, path), 'utf8'), operations) });
  }
  return files;
}

/** @param {string} app */
async function openApiOf(app) {
  const { openApiDocument, operationsOfApp } = await import('#service-kit');
  const { AppModule, API_TITLE } = await builtModule(app);
  return openApiDocument(API_TITLE, operationsOfApp(AppModule));
}
