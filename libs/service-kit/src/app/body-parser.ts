import { isUtf8 } from 'node:buffer';

import type { FastifyInstance } from 'fastify';

import { ProblemException } from '../problems/problem.js';

/**
 * JSON bodies only. An empty one is `{}` whatever its content type says: many SIP proxies send a type with every POST.
 *
 * Keys that reach for prototypes are dropped, as unknown fields are.
 */
export function registerBodyParsers(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('remove', 'remove');
  server.removeAllContentTypeParsers();
  server.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw;
    // Without a body its type says nothing; Fastify would still refuse one that is malformed.
    const empty =
      headers['content-length'] === undefined
        ? headers['transfer-encoding'] === undefined
        : headers['content-length'] === '0';
    if (empty) delete headers['content-type'];
    done();
  });
  server.addContentTypeParser(/^application\/(?:[\w.-]+\+)?json\b/i, { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (bytes.length === 0) return done(null, {});
    if (!isUtf8(bytes)) return done(malformed('it is not UTF-8'));
    return parseJson(request, bytes.toString('utf8'), (error, value) => {
      if (error === null) done(null, value);
      else done(malformed(error.message));
    });
  });
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, {});
    return done(new ProblemException('unsupported-media-type', 'Send the body as application/json'));
  });
}

function malformed(reason: string): ProblemException {
  const message = `is not JSON: ${reason}`;
  return new ProblemException('invalid-request', `The body ${message}`, {
    members: { errors: [{ path: 'the body', message }] },
  });
}
