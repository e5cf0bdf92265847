// Ports on loopback: which are free, and which one to take.
import { createServer } from 'node:net';

export interface WantedPort {
  /** Zero takes any free port. */
  port: number;
  /** True when nobody asked for this very port, so that a busy one is replaced by a free one. */
  movable?: boolean;
}

/** Binds for an instant, on the address that the server will use. Zero asks for any free port. */
function tryPort(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(taken));
    });
  });
}

export async function freePort(host = '127.0.0.1'): Promise<number> {
  const port = await tryPort(0, host);
  if (port === undefined) throw new Error(`There is no free port on ${host}.`);
  return port;
}

/** `owner` and `variable` are for the sentence that refuses a port somebody asked for. */
export async function choosePort(
  wanted: WantedPort,
  owner: string,
  variable: string,
  host = '127.0.0.1',
): Promise<number> {
  if (wanted.port === 0) return freePort(host);
  const port = await tryPort(wanted.port, host);
  if (port !== undefined) return port;
  if (wanted.movable) return freePort(host);
  throw new Error(
    `${owner} cannot have port ${wanted.port}, another program has it: end that one or change ${variable}.`,
  );
}
