import { setFlagsFromString } from 'node:v8';

// The warm-up has so much under way at once that V8 takes what requests allocate for long-lived, and puts it among the old objects from then on,
// where only full collections free it: a tenth of the CPU of an admission, and twice the pauses of young collections.
setFlagsFromString('--no-allocation-site-pretenuring');

// Before all else is loaded, which takes a while: SIGHUP reads the configuration again, and must never end the process.
process.on('SIGHUP', () => {});

const { runApp } = await import('#service-kit');
const { AppModule } = await import('./app.module.js');
const { GrpcServer } = await import('./grpc/grpc-server.service.js');
const { sipOfProblem } = await import('./sessions/decision.mapper.js');

await runApp(AppModule, {
  name: 'admission-gateway',
  port: (config) => config.gatewayPort,
  listenBesides: async (app) => void (await app.get(GrpcServer).listen()),
  problems: ({ sip }) => ({ membersOf: (code) => sipOfProblem(code, sip) }),
});
