// The least that a Fastify server does for the same exchange: reads the JSON body, answers with JSON. The answer is the one
// that Berth gave (first argument), with the session's id from the body.
import { fastify } from 'fastify';

interface Answer {
  session: Record<string, unknown>;
}

const answer = JSON.parse(process.argv[2] ?? '') as Answer;
const server = fastify();

server.post<{ Body: { sessionId: string } }>('/v1/sessions', async (request, reply) => {
  return await reply.code(201).send({ ...answer, session: { ...answer.session, id: request.body.sessionId } });
});
process.stdout.write(`${await server.listen({ host: '127.0.0.1', port: 0 })}\n`);
