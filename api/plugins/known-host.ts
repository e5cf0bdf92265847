// Which names this server answers to. A page elsewhere can have its own name point to this machine (DNS rebinding), and
// is then of our origin for the browser; an address and the names below it cannot have.
import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';

/** Without the port and the brackets of IPv6. */
function nameOf(host: string): string {
  return host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

export function refuseUnknownHosts(app: FastifyInstance, names: readonly string[]): void {
  const known = new Set(['localhost', ...names.map((name) => name.toLowerCase())]);
  app.addHook('onRequest', async (request) => {
    const { host } = request.headers;
    // Browsers always send it, and HTTP/1.1 demands it; a probe of HTTP/1.0 may not.
    if (host === undefined) return;
    const name = nameOf(host);
    if (isIP(name) !== 0 || known.has(name)) return;
    const said = /^[a-z0-9.-]{1,100}$/.test(name) ? name : 'that';
    throw new Failure(
      'HostUnknown',
      `This server does not answer to the name ${said}: use its address, or put the name into PERDURE_HOST_NAMES.`,
    );
  });
}
