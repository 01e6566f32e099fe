// The least that a gRPC server does for the same exchange: reads the message, answers with one. The answer is the one that Berth gave over HTTP (first
// argument) in the fields of gRPC, with the session's id from the message.
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';

import { admittedMessage } from '../../apps/admission-gateway/src/grpc/session.mapper.js';
import { methodOf } from './grpc-method.js';

const { definition } = methodOf('Admit');
const answer = admittedMessage(JSON.parse(process.argv[2] ?? '') as never, false) as { session: object };

const admit: handleUnaryCall<{ sessionId: string }, object> = ({ request }, respond) => {
  respond(null, { ...answer, session: { ...answer.session, id: request.sessionId } });
};

const server = new Server();
server.addService({ Admit: definition }, { Admit: admit });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`127.0.0.1:${port}\n`);
});
