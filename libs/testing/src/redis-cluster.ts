import { Cluster, type ClusterOptions, type Redis } from 'ioredis';

import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { startRedis, type RedisClientOptions, type RedisServer } from './redis-server.js';

const SLOTS = 16_384;
const FORM_TIMEOUT_MS = 30_000;

export type ClusterClientOptions = Omit<ClusterOptions, 'redisOptions'> & { redisOptions?: RedisClientOptions };

export interface RedisClusterOptions {
  /** 3 by default. */
  masters?: number;
  /** Replicas of each master; none by default. */
  replicas?: number;
}

/** One server of a cluster. */
export interface RedisNode {
  readonly id: string;
  readonly server: RedisServer;
  /** A connection to this server alone. */
  readonly redis: Redis;
}

export interface RedisCluster {
  readonly nodes: readonly RedisNode[];
  /** `redis+cluster://host:port,host:port,…` */
  readonly url: string;
  /** A new cluster client; `stop` closes it. */
  client(options?: ClusterClientOptions): Cluster;
  slotOf(key: string): Promise<number>;
  /** The live master that serves a slot, as a majority-side node sees it. */
  masterOf(slot: number): Promise<RedisNode>;
  /** Kills the master of a slot and waits until a replica serves it and the cluster is whole again; returns the killed node. */
  failover(slot: number): Promise<RedisNode>;
  /** Waits until every running node says that the cluster is whole and they agree on who serves what. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a Redis Cluster on loopback and waits until every slot is served and every node knows it. */
export async function startRedisCluster({
  masters = 3,
  replicas = 0,
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  const starts = await Promise.allSettled(Array.from({ length: masters * (1 + replicas) }, startNode));
  const nodes = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const cluster = new LocalCluster(nodes);
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    await form(nodes, masters);
    await cluster.settled();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

interface StartedNode extends RedisNode {
  readonly busPort: number;
}

async function startNode(): Promise<StartedNode> {
  const busPort = await freePort();
  const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'];
  const server = await startRedis({ args: [...args, '--repl-diskless-sync-delay', '0'] });
  const redis = server.client();
  return { id: await redis.cluster('MYID'), server, redis, busPort };
}

/** Gives each master its slots, introduces everybody to everybody, and sets the replicas behind their masters. */
async function form(nodes: readonly StartedNode[], masters: number): Promise<void> {
  await Promise.all(nodes.map((node, index) => node.redis.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)));
  for (let index = 0; index < masters; index += 1) {
    const first = Math.floor((index * SLOTS) / masters);
    const last = Math.floor(((index + 1) * SLOTS) / masters) - 1;
    await nodes[index]?.redis.call('CLUSTER', 'ADDSLOTSRANGE', first, last);
  }
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node);
    await Promise.all(
      others.map((other) => node.redis.call('CLUSTER', 'MEET', '127.0.0.1', other.server.port, other.busPort)),
    );
  }
  await eventually(async () => (await Promise.all(nodes.map(knownPeers))).every((count) => count === nodes.length), {
    timeoutMs: FORM_TIMEOUT_MS,
    what: 'all cluster nodes to know each other',
  });
  await Promise.all(nodes.slice(masters).map((node, index) => replicate(node, nodes[index % masters])));
}

/** Peers whose handshake is done. */
async function knownPeers(node: RedisNode): Promise<number> {
  const lines = String(await node.redis.cluster('NODES'))
    .trim()
    .split('\n');
  return lines.filter((line) => !/handshake|noaddr/.test(line)).length;
}

async function replicate(node: RedisNode, master: RedisNode | undefined): Promise<void> {
  if (master === undefined) return;
  await node.redis.call('CLUSTER', 'REPLICATE', master.id);
  await eventually(async () => /master_link_status:up/.test(await node.redis.info('replication')), {
    timeoutMs: FORM_TIMEOUT_MS,
    what: 'a replica to follow its master',
  });
}

class LocalCluster implements RedisCluster {
  private readonly clients: Cluster[] = [];
  private readonly killed = new Set<RedisNode>();

  constructor(readonly nodes: readonly RedisNode[]) {}

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ server }) => `${server.host}:${server.port}`).join(',')}`;
  }

  client(options: ClusterClientOptions = {}): Cluster {
    const client = new Cluster(
      this.nodes.map(({ server }) => ({ host: server.host, port: server.port })),
      { ...options, redisOptions: { disconnectTimeout: 100, ...options.redisOptions } },
    );
    client.on('error', () => {}); // commands report their own failures
    this.clients.push(client);
    return client;
  }

  slotOf(key: string): Promise<number> {
    return this.anyone().redis.cluster('KEYSLOT', key);
  }

  async masterOf(slot: number): Promise<RedisNode> {
    const id = ownerOf(await slotTable(this.anyone()), slot);
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`No node serves slot ${slot}`);
    return node;
  }

  async failover(slot: number): Promise<RedisNode> {
    const master = await this.masterOf(slot);
    this.killed.add(master);
    master.redis.disconnect();
    await master.server.kill();
    await eventually(async () => (await this.masterOf(slot)) !== master, {
      timeoutMs: FORM_TIMEOUT_MS,
      what: `a replica to take slot ${slot} over`,
    });
    await this.settled();
    return master;
  }

  async settled(): Promise<void> {
    await eventually(async () => (await this.tables()).every((table, _, [first]) => table !== '' && table === first), {
      timeoutMs: FORM_TIMEOUT_MS,
      what: 'every cluster node to report the same whole cluster',
    });
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  /** What each running node believes, as comparable text; empty while its cluster is not whole. */
  private tables(): Promise<string[]> {
    return Promise.all(
      this.alive().map(async (node) => {
        const info = await node.redis.cluster('INFO');
        if (!/cluster_state:ok/.test(info) || !info.includes(`cluster_slots_ok:${SLOTS}`)) return '';
        return JSON.stringify(await slotTable(node));
      }),
    );
  }

  private alive(): RedisNode[] {
    return this.nodes.filter((node) => !this.killed.has(node));
  }

  private anyone(): RedisNode {
    const [node] = this.alive();
    if (node === undefined) throw new Error('No node of the cluster is left');
    return node;
  }
}

/** First slot, last slot, id of the master; in order. */
type SlotRange = [first: number, last: number, master: string];

async function slotTable({ redis }: RedisNode): Promise<SlotRange[]> {
  const rows = await redis.cluster('SLOTS');
  return rows.map(([first, last, master]): SlotRange => [first, last, master?.[2] ?? '']).toSorted(([a], [b]) => a - b);
}

function ownerOf(table: SlotRange[], slot: number): string | undefined {
  return table.find(([first, last]) => first <= slot && slot <= last)?.[2];
}
