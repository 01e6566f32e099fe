import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { parseBody } from '#service-kit';
import { heartbeatBody, leaveBody, nodeName, snapshotBody } from '#session-wire';

import { ackBody } from '../commands/commands.schema.js';
import { CommandsService } from '../commands/commands.service.js';
import { NodesService } from '../nodes/nodes.service.js';
import type { Methods } from './methods.js';
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
  ) {}
}
