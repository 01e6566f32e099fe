import { rolesWith, type DeclaredOperation } from '#service-kit';

/** The list of calls as a page that needs nothing from elsewhere. */
export function docsPage(operations: readonly DeclaredOperation[]): string {
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  const sections = tags.map((name) => {
    const rows = operations.filter(({ tag }) => tag === name).map(rowOf);
    return `<h2>${escaped(name)}</h2>\n<table>\n${rows.join('\n')}\n</table>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Berth limits-admin</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em}td{padding:.2em 1em .2em 0;vertical-align:top}code{white-space:nowrap}</style>
<h1>Berth limits-admin</h1>
<p>All of it as <a href="/openapi.json">OpenAPI 3.1</a>.</p>
${sections.join('\n')}
</html>
`;
}

function rowOf({ method, path, summary, right }: DeclaredOperation): string {
  const roles = right === 'open' ? 'open' : rolesWith(right).join(', ');
  return `<tr><td><code>${method} ${escaped(path)}</code></td><td>${escaped(summary)}</td><td>${roles}</td></tr>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
