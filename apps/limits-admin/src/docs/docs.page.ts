import { rolesWith } from '#service-kit';

import type { Route } from './route.js';
import { ROUTES } from './routes.js';

/** The list of calls as a page that needs nothing from elsewhere. */
export function docsPage(): string {
  const tags = [...new Set(ROUTES.map(({ tag }) => tag))];
  const sections = tags.map((tag) => `<h2>${escaped(tag)}</h2>\n<table>\n${rowsOf(tag)}\n</table>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Berth limits-admin</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em}td{padding:.2em 1em .2em 0;vertical-align:top}code{white-space:nowrap}</style>
<h1>Berth limits-admin</h1>
<p>All of it as <a href="/docs/openapi.json">OpenAPI 3.1</a>.</p>
${sections.join('\n')}
</html>
`;
}

function rowsOf(tag: string): string {
  return ROUTES.filter((route) => route.tag === tag)
    .map((route) => `<tr>${cellsOf(route)}</tr>`)
    .join('\n');
}

function cellsOf({ method, path, summary, for: right }: Route): string {
  return `<td><code>${method.toUpperCase()} ${escaped(path)}</code></td><td>${escaped(summary)}</td><td>${right === 'open' ? right : rolesWith(right).join(', ')}</td>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
