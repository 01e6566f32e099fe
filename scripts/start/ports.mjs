import { createServer } from 'node:net';

/**
 * Throws, naming port, holder and variable, if something listens already where an app shall listen.
 *
 * @param {string} host
 * @param {import('./settings.mjs').AppSettings[]} apps
 * @param {import('./settings.mjs').Settings['grpc']} grpc
 */
export async function requireFreePorts(host, apps, grpc) {
  const { portTaken } = await import('#service-kit');
  const problems = [];
  const metrics = apps.flatMap(({ name, metricsPort: port }) =>
    port === undefined ? [] : [{ name: `metrics of ${name}`, port, portVariable: 'metrics.port' }],
  );
  for (const { name, port, portVariable: variable } of [...apps, grpc, ...metrics]) {
    const error = await listenError(host, port);
    const where = `Port ${port} on ${host}, for the ${name},`;
    if (error?.code === 'EADDRINUSE') {
      problems.push(`${where} ${portTaken({ address: error.address ?? host, port, variable })}`);
    } else if (error?.code === 'EACCES') {
      problems.push(`${where} is not for this user to listen on. Set ${variable}.`);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/**
 * Why a server could not listen there; undefined if it could. Addresses that are not of this machine are left to the app to refuse.
 *
 * @param {string} host
 * @param {number} port
 * @returns {Promise<(NodeJS.ErrnoException & { address?: string }) | undefined>}
 */
export function listenError(host, port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
