import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { parseBody } from '#service-kit';
import { heartbeatBody, leaveBody, nodeName, snapshotBody } from '#session-wire';

import { ackBody } from '../commands/commands.schema.js';
import { CommandFeedService } from '../commands/command-feed.service.js';
import { CommandsService } from '../commands/commands.service.js';
import { NodesService } from '../nodes/nodes.service.js';
import { GrpcCommandSink } from './grpc-command-sink.js';
import type { Methods } from './methods.js';
import { OpenStreams } from './open-streams.service.js';
import { ackBodyOf, snapshotBodyOf } from './session.mapper.js';
import { timestampOf } from './values.mapper.js';

const ofNode = z.object({ node: nodeName() });
const ofCommand = z.object({ node: nodeName(), commandId: z.string() });

/** `berth.v1.NodeService`. */
@Injectable()
export class NodeMethods {
  readonly methods: Methods = {
    Heartbeat: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        const { node } = parseBody(ofNode, message);
        const answer = await this.nodes.beat(caller, node, parseBody(heartbeatBody, message));
        return { ...answer, now: timestampOf(answer.now) };
      },
    },
    Leave: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        const { node } = parseBody(ofNode, message);
        await this.nodes.leave(caller, node, parseBody(leaveBody, message));
        return {};
      },
    },
    PutSnapshot: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        const { node } = parseBody(ofNode, message);
        return { ...(await this.nodes.snapshot(caller, node, parseBody(snapshotBody, snapshotBodyOf(message)))) };
      },
    },
    WatchCommands: {
      right: 'node.speak',
      watch: ({ caller, message, open, out }) => {
        const { node } = parseBody(ofNode, message);
        const stream = this.feed.open(caller, node, new GrpcCommandSink(out, open));
        this.streams.add(open, (reason) => stream.end(reason));
      },
    },
    AckCommand: {
      right: 'node.speak',
      unary: async ({ caller, message }) => {
        const { node, commandId } = parseBody(ofCommand, message);
        await this.commands.acknowledge(caller, node, commandId, parseBody(ackBody, ackBodyOf(message)));
        return {};
      },
    },
  };

  constructor(
    private readonly nodes: NodesService,
    private readonly commands: CommandsService,
    private readonly feed: CommandFeedService,
    private readonly streams: OpenStreams,
  ) {}
}
