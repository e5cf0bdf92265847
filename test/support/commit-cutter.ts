// A TCP proxy in front of Postgres that cuts a connection between a COMMIT and its answer, again and again: the
// server has committed, and the client cannot know.
import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface CommitCutter {
  /** The same database, through the proxy. */
  url: string;
  /** How many answers have been cut off. */
  cuts(): number;
  close(): Promise<void>;
}

/** Every `every`th commit that passes is cut off, whichever client sent it. */
export async function startCommitCutter(databaseUrl: string, every: number): Promise<CommitCutter> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let commits = 0;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port) });
    let cutting = false;
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
      if (bytes.includes('commit')) {
        commits += 1;
        cutting = commits % every === 0;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      // Answers of statements before it may come by themselves.
      if (!cutting || !bytes.includes('COMMIT')) return void client.write(bytes);
      cuts += 1;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(databaseUrl);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    cuts: () => cuts,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
