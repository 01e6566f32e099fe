import { createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';

import {
  Server,
  ServerCredentials,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, ConfigReload, contextOptions, LOGGER, tlsOptions, type Logger, type ServesCalls } from '#service-kit';

import { AdmissionMethods } from './admission-methods.service.js';
import { CallGate } from './call-gate.service.js';
import { CallMethods } from './call-methods.service.js';
import { forReflection, serviceNamed } from './descriptors.js';
import { HealthMethods } from './health-methods.service.js';
import type { Method, Methods, TwoWayCall, UnaryCall, WatchCall } from './methods.js';
import type { OpenCall } from './open-call.js';
import { OpenStreams } from './open-streams.service.js';
import { NodeMethods } from './node-methods.service.js';
import type { Message } from './session.mapper.js';

/** As a batch over HTTP. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Under way at once on one connection; its client holds back what comes on top. */
const MAX_STREAMS = 1_000;
/** A client that is gone without a word is noticed after both. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

const OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_concurrent_streams': MAX_STREAMS,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.enable_channelz': 0,
};

/**
 * gRPC beside HTTP, over the same services. It listens by itself and hands grpc-js the connections: so certificates are renewed, callers judged and
 * ports refused as for HTTP; see docs/decisions/0038-grpc.md.
 */
@Injectable()
export class GrpcServer implements ServesCalls, OnModuleDestroy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private listener: NetServer | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly gate: CallGate,
    private readonly reload: ConfigReload,
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    admission: AdmissionMethods,
    nodes: NodeMethods,
    calls: CallMethods,
    health: HealthMethods,
    private readonly streams: OpenStreams,
  ) {
    const age = { 'grpc.max_connection_age_ms': config.grpc.maxConnectionAgeMs };
    this.server = new Server({ ...OPTIONS, ...age, interceptors: [gate.interceptor] });
    this.add('berth.v1.AdmissionService', admission.methods);
    this.add('berth.v1.NodeService', nodes.methods);
    this.add('b2bua.v1.B2BUACallService', calls.methods);
    this.add('b2bua.v1.RoutingRuleService', calls.routingMethods);
    this.add('grpc.health.v1.Health', health.methods);
    new ReflectionService(forReflection).addToServer(this.server);
    for (const version of ['v1', 'v1alpha']) {
      gate.rights.set(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, 'docs.read');
    }
  }

  /** Returns the port: another one where it was to be 0. Throws what Node does where it cannot listen there. */
  async listen(port = this.config.grpcPort): Promise<number> {
    const { host } = this.config;
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    const take = (socket: Socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      this.gate.connections.set(peer, socket);
      socket.once('close', () => this.gate.connections.delete(peer));
      injector.injectConnection(socket);
    };
    const listener = this.makeListener(take);
    listener.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject).listen({ host, port }, () => resolve(listener.off('error', reject) && undefined));
    });
    this.listener = listener;
    const bound = (listener.address() as AddressInfo).port;
    this.logger.info({ host, port: bound, tls: this.config.grpc.tls !== null }, 'Serving gRPC');
    return bound;
  }

  async stopServing(cutAfterMs: number): Promise<void> {
    await (this.stopping ??= this.stop(cutAfterMs));
  }

  async onModuleDestroy(): Promise<void> {
    await this.stopServing(0);
  }

  private async stop(cutAfterMs: number): Promise<void> {
    this.listener?.close();
    const cut = setTimeout(() => this.cut(), cutAfterMs);
    this.streams.endAll();
    this.gate.endForeign();
    // Each connection hears that no more is taken, and closes when what is under way on it has ended.
    await new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    clearTimeout(cut);
    this.cut();
  }

  private cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private makeListener(take: (socket: Socket) => void): NetServer {
    const { tls } = this.config.grpc;
    if (tls === null) return createServer(take);
    const listener = createTlsServer({ ...tlsOptions(tls), ALPNProtocols: ['h2'] }, take);
    this.renewCertificates(listener);
    return listener;
  }

  /** New connections get the certificate that is in force, open ones keep theirs. */
  private renewCertificates(listener: TlsServer): void {
    this.reload.onApplied(() => {
      const { tls } = this.config.grpc;
      if (tls !== null) listener.setSecureContext(contextOptions(tls));
    });
  }

  private add(service: string, methods: Methods): void {
    const definition = serviceNamed(service);
    const handlers = Object.entries(methods).map(([name, method]) => {
      this.gate.rights.set(`/${service}/${name}`, method.right);
      return [name, this.handler(method)];
    });
    this.server.addService(definition, Object.fromEntries(handlers) as UntypedServiceImplementation);
  }

  private handler(method: Method) {
    if ('unary' in method) return this.unary(method.unary);
    if ('watch' in method) return this.watch(method.watch);
    return this.twoWay(method.twoWay);
  }

  private unary(unary: (call: UnaryCall) => Promise<Message>): handleUnaryCall<Message, Message> {
    return ({ metadata, request }, respond) => {
      const open = this.gate.callOf(metadata);
      const call = {
        caller: open.caller!,
        message: request,
        ifUndelivered: (takeBack: () => void) => open.ifUndelivered(takeBack),
      };
      if (open.isOver) return;
      unary(call).then(
        (answer) => respond(null, answer),
        (error: unknown) => respond(this.gate.failed(open.path, error)),
      );
    };
  }

  private watch(watch: (call: WatchCall) => void): handleServerStreamingCall<Message, Message> {
    return (out) => {
      const open = this.gate.callOf(out.metadata);
      this.begin(open, () => watch({ caller: open.caller!, message: out.request, open, out }));
    };
  }

  private twoWay(twoWay: (call: TwoWayCall) => void): handleBidiStreamingCall<Message, Message> {
    return (stream) => {
      const open = this.gate.callOf(stream.metadata);
      this.begin(open, () => twoWay({ caller: open.caller!, open, stream }));
    };
  }

  private begin(open: OpenCall, begin: () => void): void {
    try {
      begin();
    } catch (error) {
      open.end(this.gate.failed(open.path, error));
    }
  }
}
