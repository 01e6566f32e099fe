import { Module } from '@nestjs/common';

import { DeliveryService } from '../webhooks/delivery.service.js';
import { WebhookClient } from '../webhooks/webhook-client.js';
import { CommandsMetrics } from './commands.metrics.js';
import { GiveUpService } from './give-up.service.js';
import { TenantCommands } from './tenant-commands.js';

/** What becomes of commands besides their delivery by the gateways: webhooks, and giving up after a day. */
@Module({ providers: [CommandsMetrics, DeliveryService, GiveUpService, TenantCommands, WebhookClient] })
export class CommandsModule {}
