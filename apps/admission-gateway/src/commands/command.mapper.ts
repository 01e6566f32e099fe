import type { Command } from '#session-core';

/** A command as nodes see it. */
export function commandJson({ commandId, sessionId, attempt, reason }: Command) {
  return { commandId, sessionId, attempt, reason };
}

/** As a server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
export function commandEvent(command: Command): string {
  return `event: terminate\nid: ${command.commandId}\ndata: ${JSON.stringify(commandJson(command))}\n\n`;
}
