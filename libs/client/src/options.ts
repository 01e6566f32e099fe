import { BerthError } from './errors.js';
import { HttpTransport, type HttpTransportOptions } from './http-transport.js';
import type { Gateway } from './gateways.js';

/** For `https:` gateways, in PEM. */
export interface TlsOptions {
  /** The authorities to trust instead of those of the system. */
  ca?: string;
  /** The certificate and key of this client, where gateways want one. */
  cert?: string;
  key?: string;
}

export interface ClientOptions {
  /** `http://` or `https://`, one for each gateway. One is used for as long as it works. */
  gateways: string | readonly string[];
  /** The bearer key; without one only gateways of the same machine answer. */
  key?: string;
  /** Where no keys are configured: the tenant; `default` by default. */
  tenant?: string;
  /** What every admission says unless it names another: who holds the session, and in which run. */
  node?: string;
  epoch?: number;
  /** How long a call may take with all its retries, milliseconds; 2,000 by default. */
  deadlineMs?: number;
  /**
   * When no gateway answers an admission within the deadline: `deny` (the default) throws UnavailableError; `allow` lets the session start, and puts
   * it on the books, over the limits if need be, when a gateway answers again. A gateway that answers 503 has answered.
   */
  onUnavailable?: 'deny' | 'allow';
  /** With `allow`: how many sessions may live that were let through and are not on the books yet. */
  ceiling?: number;
  tls?: TlsOptions;
  /** What went wrong in the background: what is kept for gateways could not be delivered. By default a warning of the process. */
  onProblem?: (error: BerthError) => void;
}

const DEADLINE_MS = 2_000;

export interface Settings {
  gateways: Gateway[];
  node: string | undefined;
  epoch: number | undefined;
  deadlineMs: number;
  /** Sessions that may be let through; 0: none. */
  ceiling: number;
  onProblem: (error: BerthError) => void;
}

/** Throws `invalid-option` for what can never work. */
export function readOptions(options: ClientOptions): Settings {
  const { key, tenant, tls, node, epoch, deadlineMs = DEADLINE_MS, onUnavailable = 'deny', ceiling } = options;
  const urls = [options.gateways].flat();
  if (urls.length === 0) throw wrong('gateways', 'must name at least one gateway');
  if (!isCount(deadlineMs)) throw wrong('deadlineMs', 'must be a whole number of milliseconds from 1');
  if (epoch !== undefined && !isCount(epoch)) throw wrong('epoch', 'must be a whole number from 1');
  if (onUnavailable !== 'deny' && onUnavailable !== 'allow') throw wrong('onUnavailable', 'must be deny or allow');
  if (onUnavailable === 'allow' && !isCount(ceiling)) {
    throw wrong('ceiling', 'must say how many sessions may be let through while no gateway answers, from 1');
  }
  return {
    gateways: [...new Set(urls)].map((text) => serverAt(text, { key, tenant, tls })),
    node,
    epoch,
    deadlineMs,
    ceiling: onUnavailable === 'allow' ? (ceiling ?? 0) : 0,
    onProblem: options.onProblem ?? ((error) => process.emitWarning(error)),
  };
}

/** The way to a gateway, or to limits-admin. Throws `invalid-option` for what is no URL. */
export function serverAt(text: string, options: HttpTransportOptions): Gateway {
  const url = readUrl(text);
  return { url: url.href, transport: new HttpTransport(url, options) };
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw wrong(
      'gateways',
      `must be http:// or https:// URLs, such as http://127.0.0.1:8081; ${JSON.stringify(text)} is none`,
    );
  }
  return url;
}

function isCount(value: number | undefined): boolean {
  return Number.isSafeInteger(value) && (value ?? 0) >= 1;
}

function wrong(option: string, sentence: string): BerthError {
  return new BerthError('invalid-option', `${option} ${sentence}`);
}
