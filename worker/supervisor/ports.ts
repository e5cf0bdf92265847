// Ports on loopback: which are free, which one to take, and where no page in a browser can connect to.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

export interface WantedPort {
  /** Zero takes any free port. */
  port: number;
  /** True when the user did not choose this port: a busy one is replaced by a free one. */
  movable?: boolean;
}

// In use, not allowed, or no address of this machine.
const unusable = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL']);

/** Binds for an instant, on the address that the server will use. Zero asks for any free port. */
function tryPort(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (unusable.has(error.code ?? '')) resolve(undefined);
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

/** `owner` and `variable` are for the sentence that refuses a port the user chose. */
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

export interface Place {
  host: string;
  port: number;
}

/**
 * Ports that every browser refuses to connect to ("bad port" of the Fetch standard), for servers that answer any Host:
 * a page that has its own name point to this machine still cannot read them. Left out are those under 1024 and those
 * that daemons of many machines have (2049, 4045, 6000), and those that Chromium connects to all the same (4190, 6679). Other programs connect as usual.
 */
export const portsBrowsersRefuse: readonly number[] = [
  ...[1719, 1720, 1723, 3659, 5060, 5061, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10_080],
];

async function portBrowsersRefuse(host: string): Promise<number | undefined> {
  const left = [...portsBrowsersRefuse];
  while (left.length > 0) {
    const [port = 0] = left.splice(randomInt(left.length), 1);
    if ((await tryPort(port, host)) !== undefined) return port;
  }
  return undefined;
}

/** On 127.0.0.1. When all of them are taken, any free port: only for what has nothing to hide. */
export async function plainPlace(): Promise<Place> {
  const host = '127.0.0.1';
  return { host, port: (await portBrowsersRefuse(host)) ?? (await freePort(host)) };
}

/**
 * For a server without a login of its own: no browser connects to its port, and its address is one of 16 million. Linux
 * has the whole range 127.0.0.0/8; elsewhere it is 127.0.0.1, and the port alone has to do.
 */
export async function hiddenPlace(): Promise<Place> {
  const random = [127, randomInt(1, 255), randomInt(256), randomInt(1, 255)].join('.');
  for (const host of [random, '127.0.0.1']) {
    const port = await portBrowsersRefuse(host);
    if (port !== undefined) return { host, port };
  }
  throw new Error(
    "There is no port left for Temporal's Web UI that browsers refuse: end another Perdure, or set PERDURE_TEMPORAL_UI=off.",
  );
}
