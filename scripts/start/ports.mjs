import { createServer } from 'node:net';

/** Throws, naming port, holder and variable, if something listens already where an app shall listen. */
export async function requireFreePorts(host, apps) {
  const { portTaken } = await import('#service-kit');
  const problems = [];
  const metrics = apps
    .filter(({ metricsPort }) => metricsPort)
    .map(({ name, metricsPort }) => ({ name: `metrics of ${name}`, port: metricsPort, portVariable: 'metrics.port' }));
  for (const { name, port, portVariable: variable } of [...apps, ...metrics]) {
    const error = await listenError(host, port);
    const where = `Port ${port} on ${host}, for the ${name},`;
    if (error?.code === 'EADDRINUSE') {
      problems.push(`${where} ${portTaken({ address: error.address, port, variable })}`);
    } else if (error?.code === 'EACCES') {
      problems.push(`${where} is not for this user to listen on. Set ${variable}.`);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Why a server could not listen there; undefined if it could. Addresses that are not of this machine are left to the app to refuse. */
export function listenError(host, port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
