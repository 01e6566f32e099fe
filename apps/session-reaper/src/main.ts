import { runApp } from '#service-kit';

import { AppModule } from './app.module.js';

await runApp(AppModule, { name: 'session-reaper', port: (config) => config.reaperPort });
