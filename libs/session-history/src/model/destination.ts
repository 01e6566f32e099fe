/** `198.51.100.7:5060`, `[2001:db8::1]:443`, `example.com:443`; a host alone has port 0. */
export function hostAndPort(destination: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(destination) ?? [];
  const port = Number(digits ?? 0);
  if (port > 65_535 || (bracketed === undefined && plain === undefined)) return { host: destination, port: 0 };
  return { host: bracketed ?? plain ?? '', port };
}

/** The same put together again: what statistics call a destination. */
export function destinationName(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
