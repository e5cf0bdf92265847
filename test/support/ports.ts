// Ports for servers that a test stops and starts again. Those that the system gives away by itself are no good: while
// the server is down, any connection of another process may be given its port.
import { createServer } from 'node:net';

// Linux gives away 32,768 and above, others start higher; below it each test file has a part of its own, so that
// two that run beside each other are never on their way to the same one.
const first = 14_000;
const partSize = 2_000;
const parts = 9;

const part = first + (Number(process.env['VITEST_POOL_ID'] ?? 0) % parts) * partSize;
// Somewhere in it, for test processes of other checkouts on the same machine.
let next = Math.floor(Math.random() * partSize);

/** Each call gives another one, free at the moment. */
export async function testPort(): Promise<number> {
  for (;;) {
    const port = part + (next % partSize);
    next += 1;
    if (await isFree(port)) return port;
  }
}

/** What `perdure serve` listens on, as it is told. */
export async function portSettings() {
  return {
    PERDURE_PORT: String(await testPort()),
    PERDURE_TEMPORAL_PORT: String(await testPort()),
    PERDURE_POSTGRES_PORT: String(await testPort()),
  };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
