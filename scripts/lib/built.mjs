import { existsSync } from 'node:fs';

/**
 * Imports a module of the built program; without one the process ends with 1.
 *
 * @param {string} path from `dist/`
 */
export async function importBuilt(path) {
  const built = new URL(`../../dist/${path}`, import.meta.url);
  if (!existsSync(built)) {
    console.error('Berth is not built here: npm ci && npm run build');
    process.exit(1);
  }
  return await import(built.href);
}
