#!/usr/bin/env node
// `npm run tenant -- show [tenant] | rekey [tenant]`: how the books of a tenant are kept. See docs/operations.md; --help tells more.
import './lib/node-version.mjs';

import { existsSync } from 'node:fs';

const built = new URL('../dist/apps/limits-admin/src/tenants/tenant-command.js', import.meta.url);

if (!existsSync(built)) {
  console.error('Berth is not built here: npm ci && npm run build');
  process.exit(1);
}
const { tenantCommand } = await import(built.href);
process.exitCode = await tenantCommand({ words: process.argv.slice(2), say: console.log, complain: console.error });
