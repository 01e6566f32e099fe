import type { z } from 'zod';

import { commandsSection } from './commands.schema.js';
import { mapOf, section, setting, wholeNumber } from './fields.schema.js';
import { limitsSection } from './limits.schema.js';
import { redisSection } from './redis.schema.js';
import {
  authSection,
  historySection,
  loggingSection,
  metricsSection,
  nodesSection,
  reaperSection,
  storeSection,
} from './services.schema.js';
import { sessionsSection } from './sessions.schema.js';
import { identitySection, sipSection } from './sip.schema.js';

const tenant = section({
  shards: setting(wholeNumber(1, 256).default(1), { text: 'Shards of this tenant; fixed once it holds sessions.' }),
  limits: setting(limitsSection.prefault({}), { text: 'As the section `limits`.' }),
  sessions: setting(sessionsSection.prefault({}), { text: 'As the section `sessions`.' }),
  identity: setting(identitySection.prefault({}), { text: 'As the section `identity`.' }),
});

export type TenantSection = z.output<typeof tenant>;

/** The whole file. Every section may be missing or empty. */
export const fileSchema = section({
  redis: setting(redisSection.prefault({}), { text: 'The connection to Redis.' }),
  limits: setting(limitsSection.prefault({}), { text: 'How many sessions may live at once.' }),
  sessions: setting(sessionsSection.prefault({}), { text: 'How long a session of each protocol may last.' }),
  nodes: setting(nodesSection.prefault({}), { text: 'How nodes are watched. Without effect in this version.' }),
  commands: setting(commandsSection.prefault({}), { text: 'How nodes are told to end sessions.' }),
  reaper: setting(reaperSection.prefault({}), { text: 'How due sessions are ended.' }),
  identity: setting(identitySection.prefault({}), { text: 'Who the user of a session is.' }),
  sip: setting(sipSection.prefault({}), { text: 'What a SIP server should answer its caller.' }),
  history: setting(historySection.prefault({}), {
    text: 'What is kept of ended sessions. Without effect in this version.',
  }),
  store: setting(storeSection.prefault({}), { text: 'How long Redis may take, and what holds while it is away.' }),
  metrics: setting(metricsSection.prefault({}), { text: 'What is exported at `/metrics`.' }),
  logging: setting(loggingSection.prefault({}), { text: 'What is written to the log.' }),
  tenants: setting(mapOf(tenant, 'a tenant name (a-z, 0-9, -; at most 32)', /^[a-z0-9-]{1,32}$/).default({}), {
    text: 'Tenants besides `default`; what one does not say, except the limits of single users, is as in the sections above.',
  }),
  auth: setting(authSection.prefault({}), { text: 'Who may call.' }),
});

export type FileSettings = z.output<typeof fileSchema>;
