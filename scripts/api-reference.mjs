#!/usr/bin/env node
// Writes docs/openapi from what the handlers declare: `npm run build`, then this.
import { mkdirSync, writeFileSync } from 'node:fs';

import { format } from 'prettier';

import { openApiDocument, operationsOfApp } from '#service-kit';

const APPS = ['admission-gateway'];

const folder = new URL('../docs/openapi/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const app of APPS) {
  const { AppModule, API_TITLE } = await import(`../dist/apps/${app}/src/app.module.js`);
  const document = JSON.stringify(openApiDocument(API_TITLE, operationsOfApp(AppModule)));
  writeFileSync(new URL(`${app}.json`, folder), await format(document, { parser: 'json', printWidth: 120 }));
}
