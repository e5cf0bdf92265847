// Headers of a message as a proxy passes them on: none that is about the connection it came over.
import type { IncomingMessage } from 'node:http';

// RFC 9110, section 7.6.1, and those for the proxy itself. The body is framed anew, so that the two sides cannot read it
// differently.
const ofTheConnection = [
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
];

/** `host`: in place of what a request says. */
export function forwardedHeaders(
  { rawHeaders, headers }: IncomingMessage,
  host?: string,
): Record<string, string[]> {
  const named = (headers.connection ?? '').split(',').map((each) => each.trim().toLowerCase());
  // What says how long the body is stays.
  const dropped = named.filter((each) => each !== 'content-length');
  const left = new Set([...ofTheConnection, ...dropped, ...(host === undefined ? [] : ['host'])]);
  const kept = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at]?.toLowerCase(), rawHeaders[at + 1]];
    if (!left.has(name)) kept.set(name, [...(kept.get(name) ?? []), value]);
  }
  // A body without a length, whatever the method.
  if (headers['transfer-encoding'] !== undefined) kept.set('transfer-encoding', ['chunked']);
  if (host !== undefined) kept.set('host', [host]);
  // Each has a connection of its own: what comes next is judged anew.
  kept.set('connection', ['close']);
  return Object.fromEntries(kept);
}
