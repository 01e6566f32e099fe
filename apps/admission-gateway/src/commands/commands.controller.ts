import { Body, Controller, Get, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import {
  Caller,
  ifUndelivered,
  Needs,
  Operation,
  parseBody,
  ProblemException,
  Tag,
  unknownFields,
  type Principal,
} from '#service-kit';

import { warningsOf } from '../sessions/warnings.js';
import { CommandFeedService } from './command-feed.service.js';
import { EventSink } from './command-sink.js';
import { commandJson } from './command.mapper.js';
import { ackBody, pathNode, pollBody } from './commands.schema.js';
import { COMMANDS } from './commands.operations.js';
import { CommandsService } from './commands.service.js';

/** `/v1/nodes/{node}/commands`: what a node must still do. */
@Controller('v1/nodes/:node')
@Needs('node.speak')
@Tag('commands')
export class CommandsController {
  constructor(
    private readonly commands: CommandsService,
    private readonly feed: CommandFeedService,
  ) {}

  /** Server-sent events, for as long as the node stays. */
  @Get('commands')
  @Operation(COMMANDS.stream)
  stream(@Caller() caller: Principal, @Param('node') node: string, @Res() reply: FastifyReply) {
    // Fastify answers HEAD by the method for GET, and waits for its end.
    if (reply.request.method === 'HEAD') throw new ProblemException('method-not-allowed', 'Open the stream with GET');
    const stream = this.feed.open(caller, pathNode(node), new EventSink(reply.raw));
    ifUndelivered(reply, () => stream.end());
    reply.hijack();
  }

  /** The same for clients that cannot hold a stream. */
  @Post('commands::poll')
  @Operation(COMMANDS.poll)
  async poll(@Caller() caller: Principal, @Param('node') node: string, @Body() body: unknown) {
    const { commands, more } = await this.commands.poll(caller, pathNode(node), parseBody(pollBody, body).max);
    return { commands: commands.map(commandJson), more, ...warningsOf(unknownFields(pollBody, body)) };
  }

  @Post('commands/:commandId/ack')
  @Operation(COMMANDS.acknowledge)
  async acknowledge(
    @Caller() caller: Principal,
    @Param('node') node: string,
    @Param('commandId') commandId: string,
    @Body() body: unknown,
  ) {
    await this.commands.acknowledge(caller, pathNode(node), commandId, parseBody(ackBody, body));
  }
}
