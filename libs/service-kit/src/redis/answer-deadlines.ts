import type { Socket } from 'node:net';

import type { Redis } from 'ioredis';

import { startDeadline } from '#session-core';

type Command = Parameters<Redis['sendCommand']>[0];

/** What ioredis has of a connection, but keeps out of its types. */
interface Connection {
  stream: Socket;
  commandQueue: { length: number };
  socketTimeoutTimer: NodeJS.Timeout | undefined;
  setSocketTimeout(): void;
}

/** ioredis stops the timer that it finds here when the command is settled. */
const TIMER = '_commandTimeoutTimer';

/**
 * Rejects the command where no answer came within `ms`. As `commandTimeout` of ioredis, which however also counts the time in which this
 * process stood still, and rejects answers that wait in the socket.
 */
export function limitCommand(command: Command, ms: number): void {
  const timed = command as unknown as { [TIMER]?: NodeJS.Timeout };
  timed[TIMER] ??= startDeadline(ms, () => command.reject(new Error('Command timed out')));
}

/**
 * Rejects every command of the connection that has no answer within `deadlineMs`, and gives the connection up when nothing at all came for
 * `silenceMs` although something was asked. Neither is for a pause of this process.
 */
export function limitAnswers(redis: Redis, deadlineMs: number, silenceMs: number): void {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, ...rest) => {
    limitCommand(command, deadlineMs);
    return send(command, ...rest);
  };
  const connection = redis as unknown as Connection;
  // In place of that of ioredis, which it calls at the first command after a silence (option `socketTimeout`).
  connection.setSocketTimeout = () => watchSilence(connection, silenceMs);
}

function watchSilence(connection: Connection, silenceMs: number): void {
  const { stream } = connection;
  let heard = false;
  const timer = startDeadline(silenceMs, () => {
    if (heard) return;
    connection.socketTimeoutTimer = undefined;
    stream.destroy(new Error(`Redis sent nothing for ${silenceMs} ms`));
  });
  connection.socketTimeoutTimer = timer;
  // Runs after the listener that parses, so that the queue holds what is unanswered.
  stream.once('data', () => {
    heard = true;
    clearTimeout(timer);
    connection.socketTimeoutTimer = undefined;
    if (connection.commandQueue.length > 0) watchSilence(connection, silenceMs);
  });
}
