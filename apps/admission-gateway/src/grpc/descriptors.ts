import { readFileSync } from 'node:fs';

import type { ServiceDefinition } from '@grpc/grpc-js';
import {
  loadFileDescriptorSetFromObject,
  type MessageTypeDefinition,
  type PackageDefinition,
} from '@grpc/proto-loader';
import descriptor from 'protobufjs/ext/descriptor/index.js';

const { FileDescriptorProto } = descriptor;

/** `npm run descriptor-set` makes it from protos/. */
const written = readFileSync(new URL('./descriptor-set.json', import.meta.url), 'utf8');

/**
 * What reflection shows: every file as it was written. What proto-loader would give instead is one file a package, without the marks of maps and optional
 * fields, which strict clients refuse.
 */
export const forReflection = {
  files: { fileDescriptorProtos: (JSON.parse(written) as { file: object[] }).file.map(fileBytes) },
} as unknown as PackageDefinition;

function fileBytes(file: object): Buffer {
  return Buffer.from(FileDescriptorProto.encode(FileDescriptorProto.fromObject(file)).finish());
}

/**
 * What the server encodes and decodes by. Fields have their JSON names (`sessionId`), so that a message is nearly a body of `/v1`; one that is absent
 * is undefined. A number above 2^53 is no safe integer, and refused as such. Enums are words. A map is a list of `{key, value}`: proto-loader
 * makes that of every map in a descriptor set.
 */
const served = loadFileDescriptorSetFromObject(
  JSON.parse(written, (_, value: unknown) => withJsonName(value)) as object,
  { longs: Number, enums: String },
);

/** Fields of descriptors have their JSON name beside their own. */
function withJsonName(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('jsonName' in value)) return value;
  return { ...value, name: value.jsonName };
}

export function serviceNamed(name: string): ServiceDefinition {
  return served[name] as ServiceDefinition;
}

/** The bytes of a message of this type. */
export function encoded(type: string, message: object): Buffer {
  return (served[type] as MessageTypeDefinition<object, object>).serialize(message);
}
