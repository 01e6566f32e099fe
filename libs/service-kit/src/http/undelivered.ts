import type { Socket } from 'node:net';

import type { FastifyReply } from 'fastify';

/** By connection, what to do if it closes before these answers are out. One listener a connection, however many answers. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `takeBack`, once, if the answer cannot reach its caller as a whole: the connection is gone already, or closes before the
 * answer was handed to the operating system. Call it before the answer is sent.
 *
 * A caller that gave up closes its connection, so this is how its timeout is seen. An answer that the network loses afterwards
 * cannot be seen by anybody; the caller's retry gets the same one.
 */
export function ifUndelivered(reply: FastifyReply, takeBack: () => void): void {
  const { socket } = reply.request.raw;
  if (socket.destroyed || socket.writableEnded) {
    takeBack();
    return;
  }
  const answers = answersOf(socket);
  answers.add(takeBack);
  // The response has no `close` of its own while it waits behind an earlier one of its connection.
  reply.raw.once('finish', () => answers.delete(takeBack));
}

function answersOf(socket: Socket): Set<() => void> {
  const known = waiting.get(socket);
  if (known !== undefined) return known;
  const answers = new Set<() => void>();
  waiting.set(socket, answers);
  socket.once('close', () => {
    for (const takeBack of answers) takeBack();
    answers.clear();
  });
  return answers;
}
