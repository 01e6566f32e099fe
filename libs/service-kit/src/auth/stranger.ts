import type { IncomingMessage } from 'node:http';

import type { BerthConfig } from '#config';

import type { ProblemException } from '../problems/problem.js';
import { uncertifiedCaller, type Served } from './client-certificate.js';
import { foreignCaller, type Asked } from './local-caller.js';

/** The refusal for a caller that is not let in, whatever its key. */
export function strangerOf(
  config: BerthConfig,
  served: Served,
  request: Asked & Pick<IncomingMessage, 'socket'>,
): ProblemException | null {
  return uncertifiedCaller(config, served, request) ?? foreignCaller(config, request);
}
