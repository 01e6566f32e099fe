import { ModulesContainer } from '@nestjs/core';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Makes each transport that a module provides a microservice of the app; `startAllMicroservices` starts them. */
export function connectTransports(app: NestFastifyApplication): void {
  for (const { providers } of app.get(ModulesContainer).values()) {
    for (const { instance } of providers.values()) {
      if (isTransport(instance)) app.connectMicroservice({ strategy: instance });
    }
  }
}

function isTransport(instance: unknown): instance is Server & CustomTransportStrategy {
  return instance instanceof Server;
}
