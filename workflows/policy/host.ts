// Hosts as policy compares them, and the patterns for them: an exact name, `*.example.org`, or `*`.

// What a host can be made of once a URL parser has written it: names, IPv4, IPv6 with or without brackets.
const hostShape = /^(?:\[[0-9a-f:.]+\]|[0-9a-f:]*:[0-9a-f:.]+|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/;
const nameShape = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/** Undefined when it is no host. */
export function normalizeHost(host: string): string | undefined {
  const plain = host.toLowerCase().replace(/\.$/, '');
  if (!hostShape.test(plain)) return undefined;
  return plain.replace(/^\[|\]$/g, '');
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
