import { serviceNamed } from '../../apps/admission-gateway/src/grpc/descriptors.js';

const SERVICE = 'berth.v1.AdmissionService';

/** A method of the gateway's AdmissionService, as clients call it. */
export function methodOf(name: string) {
  const definition = serviceNamed(SERVICE)[name];
  if (definition === undefined) throw new Error(`${SERVICE} has no method ${name}`);
  return { path: `/${SERVICE}/${name}`, definition };
}
