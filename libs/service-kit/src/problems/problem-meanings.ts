import type { ProblemCode } from './problem-table.js';

/** What each code means to the caller, and what to do: rows of the tables of docs/api. Markdown, without a line break. */
export const PROBLEM_MEANINGS: Readonly<Record<ProblemCode, string>> = {
  'invalid-request':
    '`errors: [{path, message}]` names each wrong field and what it should be. Also 417 for an `Expect` other than `100-continue`, and 431 where target and headers, or trailers, have more than 16 KiB',
  unauthorized: 'send a known key',
  forbidden:
    'the role, tenant or nodes of the key do not cover the call; without keys: a web page of another origin tried to change something; with `http.tls.client_ca_file`: the call has no client certificate of its authorities',
  'not-found': 'no such path, tenant, node, command, fuse or dead letter',
  'session-unknown': 'the id was never seen, or is long forgotten: keep the call and POST it again',
  'method-not-allowed': '`HEAD` of an event stream, or `CONNECT`',
  'request-timeout': 'the headers took more than 10 s to arrive, or the request more than 30 s',
  'ambiguous-session': 'sessions of several users have this id; add `?user=`',
  'limits-conflict':
    'the limits have another `version` than the change names, or others keep changing them: read them again',
  'too-many-limits':
    '10,000 users, classes and groups have a limit that was set here: remove some, or give users a class',
  'user-has-sessions': 'a user with live sessions is not erased: end them, and repeat the call',
  'session-id-conflict': 'a session of another user has this id',
  'stale-epoch': 'the node has a newer run, has left, or is lost: send a beat with the new epoch',
  'node-draining':
    'an operator drains the node: it keeps its sessions and takes no new ones. Let another node take the call; `sip` is what to answer the caller with',
  'session-ended':
    'the session is over: hang up. 410 to confirm, authenticate, transfer and activity; 409 to an admission (a new attempt needs a larger `attempt` or another id) and to a transfer whose `newId` has ended',
  'payload-too-large': 'a body may have 64 KiB; a batch of events or a part of a snapshot 1 MiB',
  'unsupported-media-type': 'send `application/json`',
  'misdirected-request':
    'without keys: the `Host` is not of this machine: set keys, or let the proxy send `Host: localhost`',
  'user-limit-exceeded':
    'the user is at its limit, or its calls come too often; `sip` is what to answer the caller with',
  'group-limit-exceeded': 'a group of the session is at its limit, or its calls come too often',
  'ip-rate-exceeded': 'the source address has begun too many sessions within an hour',
  'total-limit-exceeded': 'the tenant is at its limit',
  'too-many-attempts':
    'too many wrong keys came from this address; `Retry-After` in seconds. Correct the key; a right one is served at once',
  'too-many-requests':
    'too many simulations, streams of commands or watchers of health are under way: `detail` says whose; `Retry-After` in seconds',
  'internal-error': 'a fault of Berth; its log says more',
  'history-unavailable': 'the history database does not answer; `Retry-After`: ask again',
  'store-unavailable':
    'Redis cannot serve, or the tenant is closed: `detail` says why; `Retry-After`. Never treat it as a refusal',
};
