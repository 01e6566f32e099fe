import { canonicalDestination } from '#session-core';

/**
 * `198.51.100.7:5060`, `[2001:db8::1]:443`, `example.com:443`, in its one form; a host alone has port 0. What is none of these stays as it is, as a
 * host: older servers' events may hold anything.
 */
export function hostAndPort(destination: string): { host: string; port: number } {
  const form = canonicalDestination(destination);
  if (form === null) return { host: destination, port: 0 };
  const [, bracketed, plain = '', digits = '0'] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(form) ?? [];
  return { host: bracketed ?? plain, port: Number(digits) };
}

/** The same put together again: what statistics call a destination. */
export function destinationName(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
