import { runApp } from '#service-kit';

import { AppModule } from './app.module.js';
import { sipOfProblem } from './http/decision.mapper.js';

await runApp(AppModule, {
  name: 'admission-gateway',
  port: (config) => config.gatewayPort,
  problems: ({ sip }) => ({ membersOf: (code) => sipOfProblem(code, sip) }),
});
