import { Body, Controller, Post } from '@nestjs/common';

import { BodyLimit, Caller, Needs, Operation, parseBody, Tag, unknownFields, type Principal } from '#service-kit';

import { warningsOf } from '../sessions/warnings.js';
import { BATCH_BYTES } from '../nodes/nodes.controller.js';
import { PUBLISH } from './events.operations.js';
import { eventsBody } from './events.schema.js';
import { EventsService } from './events.service.js';

/** `POST /v1/events`: what servers publish, over HTTP. */
@Controller('v1/events')
@Needs('node.speak')
@Tag('events')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  /** One result for each event, in their order: the status that a call of its own would have had. */
  @Post()
  @Operation(PUBLISH)
  @BodyLimit(BATCH_BYTES)
  async publish(@Caller() caller: Principal, @Body() body: unknown) {
    const { events } = parseBody(eventsBody, body);
    const results = await this.events.apply(caller, events);
    return {
      results: results.map((result, index) => ({ index, ...result })),
      ...warningsOf(unknownFields(eventsBody, body)),
    };
  }
}
