// The web of the test, on loopback: pages that hold what attackers wrote, and the thief who waits for what comes.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Visit {
  url: string;
  headers: string;
  body: string;
}

export interface Web {
  /** The port of what the worker knows as pages.example. */
  pagesPort: number;
  thiefPort: number;
  pageVisits: Visit[];
  thiefVisits: Visit[];
  /** Gives the text of a page, by its number. */
  pages: Map<number, string>;
  close(): Promise<void>;
}

export async function openWeb(): Promise<Web> {
  const pages = new Map<number, string>();
  const pageVisits: Visit[] = [];
  const thiefVisits: Visit[] = [];
  const site = await listen((request, response) => {
    const url = request.url ?? '';
    pageVisits.push({ url, headers: JSON.stringify(request.headers), body: '' });
    const redirect = /^\/redirect\?to=(.*)$/.exec(url)?.[1];
    if (redirect !== undefined) return void response.writeHead(302, { location: redirect }).end();
    const [, kind, number] = /^\/(guide|missing)\/(\d+)$/.exec(url) ?? [];
    const text = pages.get(Number(number ?? -1)) ?? 'Nothing found.';
    response.writeHead(kind === 'missing' ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><title>Guide</title><p>${text}</p>`);
  });
  const thief = await listen((request, response) => {
    const visit: Visit = { url: request.url ?? '', headers: JSON.stringify(request.headers), body: '' };
    thiefVisits.push(visit);
    request.on('data', (chunk) => (visit.body += String(chunk)));
    request.on('end', () => response.end('Thank you.'));
  });
  // A connection without HTTP counts too: it has got through.
  thief.on('clientError', (_error, socket) => {
    thiefVisits.push({ url: 'not HTTP', headers: '', body: '' });
    socket.destroy();
  });
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;
  return {
    pagesPort: portOf(site),
    thiefPort: portOf(thief),
    pageVisits,
    thiefVisits,
    pages,
    async close() {
      await Promise.all([site, thief].map(closed));
    },
  };
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
