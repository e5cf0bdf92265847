// A proxy on a socket, and servers that count who comes: one that may be reached and one that may not.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { addressProblem } from '../../../activities/egress/address.ts';
import type { Egress } from '../../../activities/egress/egress.ts';
import { openProxy, type Proxy, type ProxyOptions } from '../../../activities/egress/proxy.ts';
import { readHostAndPort } from '../../../workflows/policy/host.ts';

/** Every name below `.test` is on these addresses; 127.0.0.1 stands for a public one, and all else of loopback does not. */
export function worldWhere(addresses: readonly string[]): Egress {
  return {
    resolve: (hostname, done) =>
      hostname.endsWith('.test')
        ? done(
            null,
            addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
          )
        : done(new Error(`no ${hostname}`), []),
    addressProblem: (address) => (address === '127.0.0.1' ? undefined : addressProblem(address)),
  };
}

/** Listens until the test is over. */
export async function serve(host: string, listener: RequestListener, port = 0): Promise<number> {
  const server: Server = createServer(listener).listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

export interface Bench {
  proxy: Proxy;
  /** Sends these bytes and answers with all that comes back until the proxy closes; "open" in place of waiting for ever. */
  send(bytes: string): Promise<string>;
  socket: string;
}

export async function openBench(
  options: Omit<ProxyOptions, 'granted'> & { granted: readonly string[] },
): Promise<Bench> {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-proxy-'));
  const socket = path.join(folder, 'socket');
  const granted = options.granted.flatMap((each) => readHostAndPort(each) ?? []);
  const proxy = await openProxy(socket, { ...options, granted });
  onTestFinished(async () => {
    await proxy.close();
    rmSync(folder, { recursive: true });
  });
  return { proxy, socket, send: (bytes) => send(socket, bytes) };
}

async function send(socket: string, bytes: string): Promise<string> {
  const client = connect(socket);
  let answer = '';
  client.on('data', (part: Buffer) => (answer += part.toString('latin1')));
  client.on('error', () => {});
  client.write(bytes, 'latin1');
  // An answer of ours comes at once. All of it runs in this process, so turns are counted: one that stands still for
  // seconds has had one.
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
    if (turns < 30) return;
    answer += 'open';
    client.destroy();
  }, 100);
  await once(client, 'close');
  clearInterval(timer);
  return answer;
}
