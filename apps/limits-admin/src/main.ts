import { runApp } from '#service-kit';

import { AppModule } from './app.module.js';

await runApp(AppModule, { name: 'limits-admin', port: (config) => config.adminPort });
