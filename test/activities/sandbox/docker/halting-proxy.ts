// A socket in front of the engine that halts a client at one request: before the engine has it, or when the engine has
// done it and the client is not told.
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

export interface Halt {
  /** Of the request's first line, such as `POST /containers/create`. */
  request: RegExp;
  when: 'before' | 'after';
}

/** `halted` resolves when a client stands there. It stays until it ends; what comes later passes. */
export async function createHaltingProxy(
  target: string,
  socket: string,
  { request, when }: Halt,
): Promise<{ halted: Promise<void> }> {
  const { promise: halted, resolve } = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  let isArmed = true;
  const server = createServer((client) => {
    const upstream = connect(target);
    let isHalted = false;
    for (const one of [client, upstream]) {
      sockets.add(one);
      one.on('error', () => one.destroy());
      one.on('close', () => {
        sockets.delete(one);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => {
      // Each request begins a piece of its own, for the client waits for the answer to the one before.
      const [line = ''] = bytes.toString('latin1').split('\r\n', 1);
      if (isArmed && request.test(line)) {
        isArmed = false;
        isHalted = true;
        if (when === 'before') return resolve();
      }
      if (!isHalted || when === 'after') upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (isHalted) resolve();
      else client.write(bytes);
    });
  });
  server.listen(socket);
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const one of sockets) one.destroy();
    server.close();
    await once(server, 'close');
  });
  return { halted };
}
