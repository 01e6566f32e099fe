import { Module } from '@nestjs/common';

import { ApiModule } from '#service-kit';

import { DocsController } from './docs.controller.js';

/** What `GET /openapi.json` says of the whole. */
export const API_TITLE = {
  title: 'Berth limits-admin',
  description:
    'Limits, users, groups, nodes and live sessions. Without keys in the configuration the header Berth-Tenant names the tenant; with keys it is that of the key. Errors under /api have the sentence as `error` too.',
};

/** The calls of this app, for people and for tools. */
@Module({ imports: [ApiModule.of(API_TITLE)], controllers: [DocsController] })
export class DocsModule {}
