// Before all else is loaded, which takes a while: SIGHUP reads the configuration again, and must never end the process.
process.on('SIGHUP', () => {});

const { runApp } = await import('#service-kit');
const { AppModule } = await import('./app.module.js');

await runApp(AppModule, { name: 'limits-admin', port: (config) => config.adminPort });
