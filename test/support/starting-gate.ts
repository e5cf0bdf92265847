// A TCP proxy that holds every connection back until all contenders are there, and then lets them through in one moment
// and in random order: a contender that starts slowly has the same chance as a fast one.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** The same server through a gate, which opens at `contenders` connections; a later one passes at once. */
export async function startGate(target: string, contenders: number): Promise<{ url: string }> {
  const { hostname: host, port } = new URL(target);
  const sockets = new Set<Socket>();
  const held: Socket[] = [];
  let isOpen = false;

  function track(socket: Socket, other?: Socket): void {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      other?.destroy();
    });
  }

  function pass(client: Socket): void {
    const upstream = connect({ host, port: Number(port) });
    track(upstream, client);
    client.once('close', () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  }

  const server = createServer((client) => {
    track(client);
    if (isOpen) {
      pass(client);
      return;
    }
    held.push(client);
    if (held.length < contenders) return;
    isOpen = true;
    for (const each of held.splice(0).sort(() => Math.random() - 0.5)) pass(each);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
