// The way out of a command in a sandbox: an HTTP proxy on a socket of its own, which connects to the hosts that were
// granted to that command and to no other. Of what is encrypted it sees the host and the size. It judges the host it is
// asked for and connects to addresses of that name: what a granted server does for others behind its own name is not seen.
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { once } from 'node:events';
import type { NetworkContact } from '../../workflows/contracts/call.ts';
import { type HostAndPort, readHostAndPort, writeHostAndPort } from '../../workflows/policy/host.ts';
import { type Contacts, createContacts, mostBytes } from './contacts.ts';
import { AddressRefused, checkLiteral, type Egress, vettedLookup } from './egress.ts';
import { forwardedHeaders } from './headers.ts';

// A server that does not answer in this time is not going to.
const connectMs = 10_000;
// Longer than a registry thinks about anything; what is silent for longer has been forgotten.
const idleMs = 5 * 60_000;
// Package managers open fifty at once at most; each holds two descriptors of the worker.
const mostConnections = 100;
// Of those that have not asked for a host yet, or are being told no: beyond this the socket is shut at once.
const mostUnasked = 100;
// Where a grant names no port.
const usualPorts = [80, 443];

export interface ProxyOptions {
  egress: Egress;
  /** As `readHostAndPort` reads them. */
  granted: readonly HostAndPort[];
  /** Told of each host that is new in `contacts`. */
  onNew?(): void;
  limits?: { idleMs: number; connections: number; bytes: number };
}

export interface Proxy {
  contacts(): NetworkContact[];
  /** Ends every connection and returns once the socket is gone. */
  close(): Promise<void>;
}

type Target = { host: string; port: number };

/** A request that gets an answer of ours. The message is for the program that made it, and its author. */
class Refusal extends Error {
  readonly status: 400 | 403 | 502 | 503;

  constructor(status: Refusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

const usualLimits = { idleMs, connections: mostConnections, bytes: mostBytes };

/** `path`: where its socket is made; at most 107 bytes, and nothing may be there. */
export async function openProxy(path: string, options: ProxyOptions): Promise<Proxy> {
  const { limits = usualLimits, onNew = () => {} } = options;
  const contacts = createContacts(onNew, limits.bytes);
  const sockets = new Set<Duplex>();
  const dial = createDial({ ...options, limits, contacts, sockets });
  const server = createServer((request, response) => void forward(dial, request, response));
  // A command could else use up the descriptors of the worker without asking for anything.
  server.maxConnections = limits.connections + mostUnasked;
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    keep(sockets, client);
    void tunnel(dial, request, client, head);
  });
  // In the container of another user the socket must be open to that user; the folder around it is not.
  server.listen({ path, readableAll: true, writableAll: true });
  await once(server, 'listening');
  return {
    contacts: contacts.list,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Dialled {
  upstream: Socket;
  target: Target;
}

/** Connects to the target of a request, if that was granted: the one way out. Throws a Refusal. */
type Dial = (authority: string, usualPort?: number) => Promise<Dialled>;

function createDial({
  egress,
  granted,
  limits,
  contacts,
  sockets,
}: ProxyOptions & {
  limits: typeof usualLimits;
  contacts: Contacts;
  sockets: Set<Duplex>;
}): Dial {
  let open = 0;
  return async (authority, usualPort) => {
    const read = readHostAndPort(authority);
    const port = read?.port ?? usualPort;
    if (read === undefined || port === undefined)
      throw new Refusal(400, `${JSON.stringify(authority.slice(0, 300))} is no host with a port`);
    const target = { host: read.host, port };
    const refuse = (status: Refusal['status'], problem: string, advice = ''): never => {
      contacts.refuse(target, problem);
      throw new Refusal(status, `${problem}${advice}`);
    };
    if (!granted.some((each) => covers(each, target))) {
      const name = writeHostAndPort(usualPorts.includes(port) ? { ...target, port: undefined } : target);
      refuse(403, `${name} was not granted`, '; the call that runs this command may name it in `hosts`');
    }
    if (contacts.isSpent())
      refuse(403, 'this command has moved all the bytes it may; do less in one command');
    if (open >= limits.connections)
      refuse(503, `this command has ${open} connections open, as many as it may; open fewer at once`);
    open += 1;
    try {
      const upstream = await connectTo(egress, target).catch((error: Error) =>
        refuse(error instanceof AddressRefused ? 403 : 502, problemOf(error, target)),
      );
      upstream.once('close', () => (open -= 1));
      keep(sockets, upstream);
      contacts.count(target, upstream);
      upstream.setTimeout(limits.idleMs, () => upstream.destroy());
      return { upstream, target };
    } catch (error) {
      open -= 1;
      throw error;
    }
  };
}

function covers(grant: HostAndPort, { host, port }: Target): boolean {
  return grant.host === host && (grant.port === undefined ? usualPorts.includes(port) : grant.port === port);
}

async function connectTo(egress: Egress, { host, port }: Target): Promise<Socket> {
  checkLiteral(egress, host);
  // A client that has said all still waits for the answer.
  const socket = connect({ host, port, lookup: vettedLookup(egress), allowHalfOpen: true });
  const timer = setTimeout(() => socket.destroy(new Error('no connection in ten seconds')), connectMs);
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function problemOf(error: Error, target: Target): string {
  if (error instanceof AddressRefused) return error.message;
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return `${writeHostAndPort(target)} cannot be reached: ${(first as Error).message}`;
}

function keep(sockets: Set<Duplex>, socket: Duplex): void {
  sockets.add(socket);
  // What breaks a connection is for its two ends to see.
  socket.on('error', () => {});
  // Both directions of a tunnel, the counts and the list each wait for its end: more than Node expects of one socket.
  socket.setMaxListeners(20);
  socket.once('close', () => sockets.delete(socket));
}

async function tunnel(dial: Dial, request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
  try {
    const { upstream } = await dial(request.url ?? '');
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    upstream.write(head);
    const end = (error: unknown): void => {
      if (error) for (const socket of [client, upstream]) socket.destroy();
    };
    pipeline(client, upstream, end);
    pipeline(upstream, client, end);
  } catch (error) {
    const { status, message } = refusalOf(error);
    const body = `${message}\n`;
    client.end(
      `HTTP/1.1 ${status} Refused by Perdure\r\ncontent-type: text/plain; charset=utf-8\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
}

// The whole of a request line as proxies are sent it. What is behind the host is the server's to read.
const absoluteForm = /^http:\/\/([^/?#]*)((?:[/?][^#]*)?)$/i;

async function forward(dial: Dial, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const [, authority, rest = ''] = absoluteForm.exec(request.url ?? '') ?? [];
    if (authority === undefined)
      throw new Refusal(400, 'this is a proxy: it takes CONNECT, and requests for whole http:// addresses');
    const { upstream, target } = await dial(authority, 80);
    const { host, port } = target;
    const onward = httpRequest({
      createConnection: () => upstream,
      method: request.method ?? 'GET',
      path: rest.startsWith('/') ? rest : `/${rest}`,
      // The host that was judged, whatever else the request says.
      headers: forwardedHeaders(request, writeHostAndPort(port === 80 ? { host, port: undefined } : target)),
      setHost: false,
    });
    const breakOff = (): void =>
      refuse(response, new Refusal(502, `${writeHostAndPort(target)} broke off or gave no answer of HTTP`));
    onward.on('error', breakOff);
    onward.on('response', (answer) => {
      try {
        response.writeHead(answer.statusCode ?? 502, forwardedHeaders(answer));
      } catch {
        // A status or a header that no answer may have.
        onward.destroy();
        return breakOff();
      }
      pipeline(answer, response, () => upstream.destroy());
    });
    pipeline(request, onward, (error) => {
      if (error) breakOff();
    });
    response.once('close', () => onward.destroy());
  } catch (error) {
    refuse(response, refusalOf(error));
  }
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${message}\n`);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  // A path or a header that no request may have: Node says which when it writes the request.
  return new Refusal(400, `this request cannot be passed on: ${(error as Error).message}`);
}
