// Before all else is loaded, which takes a while: SIGHUP reads the configuration again, and must never end the process.
process.on('SIGHUP', () => {});

const { runApp } = await import('#service-kit');
const { AppModule } = await import('./app.module.js');
const { sipOfProblem } = await import('./sessions/decision.mapper.js');

await runApp(AppModule, {
  name: 'admission-gateway',
  port: (config) => config.gatewayPort,
  problems: ({ sip }) => ({ membersOf: (code) => sipOfProblem(code, sip) }),
});
