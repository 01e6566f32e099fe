import { createServer } from 'node:net';

/** Throws, naming port and variable, if something listens already where an app shall listen. */
export async function requireFreePorts(host, apps) {
  const taken = [];
  for (const app of apps) if (!(await isFree(host, app.port))) taken.push(app);
  if (taken.length === 0) return;
  throw new Error(
    taken
      .map(
        ({ name, port, portVariable }) =>
          `Port ${port} on ${host}, for the ${name}, is taken; free it or set ${portVariable}.`,
      )
      .join('\n'),
  );
}

/** Whether a server could listen there. Addresses that are not of this machine are left to the app to refuse. */
export function isFree(host, port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(error.code !== 'EADDRINUSE' && error.code !== 'EACCES'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
