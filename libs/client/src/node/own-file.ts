/**
 * The file of the function that calls this, as a path or a `file:` URL.
 *
 * `import.meta.url` cannot be parsed in CommonJS, `__filename` is not there in ES modules, and this source becomes both.
 */
export function callingFile(): string {
  const trace: { prepareStackTrace?: unknown } = Error;
  const prepare = trace.prepareStackTrace;
  try {
    Error.prepareStackTrace = (_, sites) => sites;
    const sites = new Error('where am I?').stack as unknown as NodeJS.CallSite[];
    return sites[1]?.getFileName() ?? '';
  } finally {
    trace.prepareStackTrace = prepare;
  }
}
