import type { AdmissionRequest } from '#session-core';

import { sipCall } from './sessions.js';

/** The call number `index` of a user who has no other. */
export function httpCall(index: number): AdmissionRequest {
  return sipCall(index, index);
}

/** The same call as the body of `POST /v1/sessions`. */
export function admissionBody(index: number) {
  const { sessionId, attempt, node, epoch, facts } = httpCall(index);
  return { sessionId, attempt, node, epoch, ...facts };
}
