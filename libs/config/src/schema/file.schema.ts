import type { z } from 'zod';

import { commandsSection } from './commands.schema.js';
import { mapOf, section, setting, wholeNumber } from './fields.schema.js';
import { limitsSection } from './limits.schema.js';
import { redisSection } from './redis.schema.js';
import {
  authSection,
  historySection,
  grpcSection,
  httpSection,
  loggingSection,
  metricsSection,
  nodesSection,
  reaperSection,
  shutdownSection,
  storeSection,
} from './services.schema.js';
import { sessionsSection } from './sessions.schema.js';
import { identitySection, sipSection } from './sip.schema.js';

const TENANTS =
  'Tenants besides `default`. A setting that a tenant leaves out is as in the sections above: classes class by class, groups kind by kind, a reserve where ' +
  'its number is left out as well, `observe` as a whole. What names a single user or a single group holds above for `default` alone, except what ' +
  'names `priority:emergency`.';

const tenant = section({
  shards: setting(wholeNumber(1, 256).default(1), {
    text: 'Shards of this tenant; fixed when the tenant is created, which is when a process first starts with it.',
  }),
  limits: setting(limitsSection.prefault({}), { text: 'As the section `limits`.' }),
  sessions: setting(sessionsSection.prefault({}), { text: 'As the section `sessions`.' }),
  identity: setting(identitySection.prefault({}), { text: 'As the section `identity`.' }),
});

export type TenantSection = z.output<typeof tenant>;

/** The whole file. Every section may be missing or empty. */
export const fileSchema = section({
  redis: setting(redisSection.prefault({}), { text: 'The connection to Redis.' }),
  limits: setting(limitsSection.prefault({}), {
    text: 'How many sessions may live at once, and how fast they may come.',
  }),
  sessions: setting(sessionsSection.prefault({}), { text: 'How long a session of each protocol may last.' }),
  nodes: setting(nodesSection.prefault({}), { text: 'How nodes are watched.' }),
  commands: setting(commandsSection.prefault({}), { text: 'How nodes get the commands to hang up.' }),
  reaper: setting(reaperSection.prefault({}), { text: 'How due sessions are ended.' }),
  identity: setting(identitySection.prefault({}), { text: 'Who the user of a session is.' }),
  sip: setting(sipSection.prefault({}), { text: 'What a SIP server should answer its caller.' }),
  history: setting(historySection.prefault({}), { text: 'What is kept of sessions and refusals, by limits-admin.' }),
  store: setting(storeSection.prefault({}), { text: 'How long Redis may take, and what holds while it is away.' }),
  http: setting(httpSection.prefault({}), { text: 'How HTTP is served.' }),
  grpc: setting(grpcSection.prefault({}), { text: 'How gRPC is served, by admission-gateway.' }),
  shutdown: setting(shutdownSection.prefault({}), { text: 'How a process ends.' }),
  metrics: setting(metricsSection.prefault({}), { text: 'What is exported at `/metrics`.' }),
  logging: setting(loggingSection.prefault({}), { text: 'What is written to the log.' }),
  tenants: setting(
    mapOf(tenant, 'a tenant name (a-z, 0-9, -; at most 32; not inbox)', /^(?!inbox$)[a-z0-9-]{1,32}$/).default({}),
    {
      text: TENANTS,
    },
  ),
  auth: setting(authSection.prefault({}), { text: 'Who may call.' }),
});

export type FileSettings = z.output<typeof fileSchema>;
