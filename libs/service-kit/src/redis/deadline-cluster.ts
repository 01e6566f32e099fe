import type { Cluster, ClusterNode, ClusterOptions, RedisOptions } from 'ioredis';

import { limitCommand } from './answer-deadlines.js';
import { EndingCluster } from './ending-cluster.js';
import { notConnected, type LastRefusal } from './not-connected.js';

/** What ioredis asks of connections to single nodes: it knows their addresses itself. */
export type ClusterSettings = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, keyof Pick<RedisOptions, 'replyMapping'>>;
};

type ClusterCommand = Parameters<Cluster['sendCommand']>[0];

/**
 * A cluster client for decisions: a command fails at once while the cluster is unknown, and by the deadline in any case.
 *
 * The deadline of a node's connection starts when a command reaches it, so redirections and waits before that would not count; and its
 * own way not to queue (`enableOfflineQueue: false`) also refuses commands for a node whose connection is only being made,
 * which is every node at its first command and after a slot has moved.
 */
export class DeadlineCluster extends EndingCluster {
  private readonly last: LastRefusal = { error: undefined };

  constructor(
    nodes: ClusterNode[],
    options: ClusterSettings,
    private readonly deadlineMs: number,
  ) {
    super(nodes, options);
    this.on('error', (error: Error) => (this.last.error = error));
    this.on('ready', () => (this.last.error = undefined));
  }

  override sendCommand(command: ClusterCommand, ...rest: ParametersAfterFirst<Cluster['sendCommand']>): unknown {
    // The client asks `cluster info` itself, to find out whether it is ready.
    if (this.status !== 'ready' && command.name !== 'cluster') {
      command.reject(notConnected(this.status, this.last));
      return command.promise;
    }
    limitCommand(command, this.deadlineMs);
    return super.sendCommand(command, ...rest);
  }
}

type ParametersAfterFirst<F extends (...args: never[]) => unknown> =
  Parameters<F> extends [unknown, ...infer Rest] ? Rest : never;
