import {
  Client,
  credentials,
  Metadata,
  status,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromObject, type MessageTypeDefinition } from '@grpc/proto-loader';
import { afterEach } from '@jest/globals';
import { readFileSync } from 'node:fs';

import { eventually } from '#testing';

import { onStoppedRedis, type Gateway, type GatewaySuite } from '../gateway.fixture.js';
import { CallGate } from './call-gate.service.js';
import { serviceNamed } from './descriptors.js';
import { GrpcServer } from './grpc-server.service.js';

type Fields = Record<string, unknown>;

/** How a call ended, with what its status says to programs. */
export interface GrpcAnswer {
  /** The name of the status. */
  code: string;
  details: string;
  message: Fields;
  /** Of a failure: by type, without the package. */
  errors: Record<string, Fields>;
}

export interface CallOptions {
  metadata?: Record<string, string>;
  deadlineMs?: number;
}

const SET = JSON.parse(readFileSync(new URL('./descriptor-set.json', import.meta.url), 'utf8')) as object;
const asWritten = loadFileDescriptorSetFromObject(SET, { longs: Number, enums: String });

export function decode(type: string, bytes: Buffer): Fields {
  return (asWritten[type] as MessageTypeDefinition<object, object>).deserialize(bytes) as Fields;
}

/** The details of a google.rpc.Status by their types; `limits` of the Refusal as HTTP writes them. */
export function detailsOf(details: readonly Fields[]): Record<string, Fields> {
  return Object.fromEntries(
    details.map((any) => {
      const type = String(any['type_url'] ?? any['typeUrl']).replace('type.googleapis.com/', '');
      return [type.slice(type.lastIndexOf('.') + 1), decode(type, any['value'] as Buffer)];
    }),
  );
}

/** What a stream of answers brought. */
export class Answers {
  readonly all: Fields[] = [];
  /** The name of the status that it ended with; null while it is open. */
  ended: string | null = null;

  constructor(readonly call: ClientReadableStream<Fields>) {
    call.on('data', (answer: Fields) => void this.all.push(answer));
    call.on('error', (error: ServiceError) => (this.ended ??= status[error.code] ?? 'unknown'));
    call.on('status', ({ code }: { code: number }) => (this.ended ??= status[code] ?? 'unknown'));
  }
}

/** A stream of requests with its answers. */
export class TwoWay extends Answers {
  constructor(private readonly stream: ClientDuplexStream<Fields, Fields>) {
    super(stream);
  }

  /** False: the client holds back what comes on top. */
  send(request: Fields): boolean {
    return this.stream.write(request);
  }

  half(): void {
    this.stream.end();
  }

  answerTo(number: number): Fields | undefined {
    return this.all.find((answer) => answer['number'] === number);
  }
}

/** A client of one gateway. */
export class GrpcClient {
  readonly client: Client;

  constructor(
    readonly port: number,
    channel: ChannelCredentials = credentials.createInsecure(),
    host = 'localhost',
  ) {
    this.client = new Client(`${host}:${port}`, channel);
  }

  /** `method` of AdmissionService, or `Service/Method` of berth.v1, or the whole path. */
  async call(method: string, message: Fields = {}, options: CallOptions = {}): Promise<GrpcAnswer> {
    const { path, definition } = methodNamed(method);
    return await new Promise((resolve) => {
      this.client.makeUnaryRequest(
        path,
        definition.requestSerialize,
        definition.responseDeserialize,
        message,
        metadataOf(options.metadata),
        options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
        (error, answer) => resolve(answerOf(error, answer as Fields | undefined)),
      );
    });
  }

  /** A call with a stream of answers. */
  watch(method: string, message: Fields = {}, options: CallOptions = {}): Answers {
    const { path, definition } = methodNamed(method);
    const { requestSerialize: serialize, responseDeserialize: deserialize } = definition;
    const call = this.client.makeServerStreamRequest(
      path,
      serialize,
      deserialize,
      message,
      metadataOf(options.metadata),
    );
    return new Answers(call as ClientReadableStream<Fields>);
  }

  /** A call with streams both ways. */
  decide(options: CallOptions = {}): TwoWay {
    const { path, definition } = methodNamed('Decide');
    const { requestSerialize: serialize, responseDeserialize: deserialize } = definition;
    const call = this.client.makeBidiStreamRequest(path, serialize, deserialize, metadataOf(options.metadata));
    return new TwoWay(call as ClientDuplexStream<Fields, Fields>);
  }

  close(): void {
    this.client.close();
  }
}

export function methodNamed(method: string) {
  const full = method.includes('/') ? method : `AdmissionService/${method}`;
  const [service = '', name = ''] = full.split('/');
  const qualified = service.includes('.') ? service : `berth.v1.${service}`;
  const definition = serviceNamed(qualified)[name];
  if (definition === undefined) throw new Error(`no method ${qualified}/${name}`);
  return { path: `/${qualified}/${name}`, definition };
}

export function metadataOf(values: Record<string, string> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

export function answerOf(error: ServiceError | null, message: Fields = {}): GrpcAnswer {
  if (error === null) return { code: 'OK', details: '', message, errors: {} };
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const decoded = bytes === undefined ? {} : decode('google.rpc.Status', bytes as Buffer);
  return {
    code: status[error.code] ?? String(error.code),
    details: error.details,
    message: {},
    errors: detailsOf((decoded['details'] ?? []) as Fields[]),
  };
}

/** Lets the gateway serve gRPC on a free port, and connects. */
export async function connectGrpc(gateway: Gateway): Promise<GrpcClient> {
  return new GrpcClient(await gateway.app.get(GrpcServer).listen(0));
}

export interface GrpcSuite extends GatewaySuite {
  readonly client: GrpcClient;
}

/** For a suite: as `onStoppedRedis`, with a client of gRPC that is closed after each test. */
export function onStoppedRedisByGrpc(configYaml: string, begin: (suite: GrpcSuite) => void): void {
  let client: GrpcClient;
  afterEach(() => client.close());
  onStoppedRedis({ configYaml }, async (suite) => {
    client = await connectGrpc(suite.gateway);
    begin({ ...suite, client });
  });
}

/** Waits until so many calls are open at the gateway. */
export async function underWay({ app }: Gateway, calls: number): Promise<void> {
  await eventually(() => app.get(CallGate).open.size === calls, { what: `${calls} calls under way` });
}

/** How many sessions are live, of whatever user. */
export async function liveSessions({ books }: Pick<GrpcSuite, 'books'>): Promise<number> {
  return await books.zcard('berth:{default/0}:deadlines');
}
