// Hosts as policy compares them, and the patterns for them: an exact name, `*.example.org`, or `*`.

// What a host can be made of once a URL parser has written it: names, IPv4, IPv6 with or without brackets.
const hostShape = /^(?:\[[0-9a-f:.]+\]|[0-9a-f:]*:[0-9a-f:.]+|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/;
const nameShape = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
// A host and perhaps a port, as in a URL; `%` would be decoded by the parser, and the rest ends a host there.
const authorityShape = /^(\[[0-9a-f:.]+\]|[^\s:/?#@\\%[\]]+)(?::([0-9]{1,5}))?$/i;
// The longest name DNS allows, and a port.
const longestAuthority = 253 + 6;

/** Undefined when it is no host. */
export function normalizeHost(host: string): string | undefined {
  const plain = host.toLowerCase().replace(/\.$/, '');
  if (!hostShape.test(plain)) return undefined;
  return plain.replace(/^\[|\]$/g, '');
}

export interface HostAndPort {
  /** In the one form in which hosts are compared; IPv6 without brackets. */
  host: string;
  /** Undefined where none is written. */
  port: number | undefined;
}

/** Reads `host` or `host:port`, every spelling of an address or a name to the same host; undefined when it is none. */
export function readHostAndPort(text: string): HostAndPort | undefined {
  const [, written, digits] = (text.length <= longestAuthority ? authorityShape.exec(text) : null) ?? [];
  if (written === undefined) return undefined;
  const url = URL.canParse(`http://${written}/`) ? new URL(`http://${written}/`) : undefined;
  const host = url && normalizeHost(url.hostname);
  const port = digits === undefined ? undefined : Number(digits);
  if (host === undefined || port === 0 || (port ?? 0) > 65_535) return undefined;
  return { host, port };
}

/** As `readHostAndPort` reads it. */
export function writeHostAndPort({ host, port }: HostAndPort): string {
  const written = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? written : `${written}:${port}`;
}

export function hostPatternProblem(pattern: string): string | undefined {
  const plain = pattern.toLowerCase();
  if (plain === '*' || nameShape.test(plain) || normalizeHost(plain) !== undefined) return undefined;
  return 'is no host; write a name such as docs.example.org, *.example.org for every name below it, or * for all';
}

export function matchesHost(pattern: string, host: string): boolean {
  const plain = pattern.toLowerCase();
  if (plain === '*') return true;
  if (plain.startsWith('*.')) return host.endsWith(plain.slice(1));
  return normalizeHost(plain) === host;
}
