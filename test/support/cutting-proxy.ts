// A TCP proxy in front of Postgres that can cut a connection between a COMMIT and its answer: the server has
// committed, the client cannot know.
import { createServer, connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface CuttingProxy {
  /** The same database, through the proxy. */
  urlOf(url: string): string;
  /**
   * Arms it: the answer to the next commit is not passed on, or to the next of a transaction that has named `of`, such as
   * an id: a server has others of its own. Resolves when that has happened.
   */
  cutNextCommit(of?: string): Promise<void>;
  /** Cuts every connection and takes no new one. */
  goDown(): void;
  comeBack(): void;
}

export async function createCuttingProxy(target: { host: string; port: number }): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let cut: (() => void) | undefined;
  let named = '';
  let down = false;
  const server = createServer((client) => {
    if (down) return void client.destroy();
    const upstream = connect(target);
    let names = false;
    let committing = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => {
      // The begin may come together with the first statement.
      if (bytes.includes('begin;') || bytes.includes('begin\0')) names = false;
      if (cut && bytes.includes(named)) names = true;
      if (cut && names && bytes.includes('commit')) committing = true;
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      // The answers to statements sent along with the COMMIT may come before the server has committed.
      if (!committing || !cut || !bytes.includes('COMMIT')) return void client.write(bytes);
      cut();
      cut = undefined;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A listening TCP server has a port.');
  return {
    urlOf(url) {
      const through = new URL(url);
      through.hostname = '127.0.0.1';
      through.port = String(address.port);
      return through.href;
    },
    cutNextCommit: (of = '') =>
      new Promise((resolve) => {
        named = of;
        cut = resolve;
      }),
    goDown() {
      down = true;
      for (const socket of sockets) socket.destroy();
    },
    comeBack() {
      down = false;
    },
  };
}
