import type { Socket } from 'node:net';

import type { FastifyReply } from 'fastify';

/**
 * By connection, what to do if it closes before these answers are out. One listener a connection, however many answers.
 *
 * No `Set`: the tables that one leaves behind as it changes keep what was in them, here whole requests, until the next full collection of
 * garbage.
 */
const waiting = new WeakMap<Socket, (() => void)[]>();

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
  answers.push(takeBack);
  // The response has no `close` of its own while it waits behind an earlier one of its connection.
  reply.raw.once('finish', () => {
    const at = answers.indexOf(takeBack);
    if (at >= 0) answers.splice(at, 1);
  });
}

function answersOf(socket: Socket): (() => void)[] {
  const known = waiting.get(socket);
  if (known !== undefined) return known;
  const answers: (() => void)[] = [];
  waiting.set(socket, answers);
  socket.once('close', () => {
    for (const takeBack of answers.splice(0)) takeBack();
  });
  return answers;
}
