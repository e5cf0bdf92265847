// Whether a model server is on a machine or network of one's own, by its configured base URL alone: no name is looked
// up, so the answer is the same on every machine and at every time.
import { BlockList, isIP } from 'node:net';

// Loopback, private and link-local networks (RFC 1122, 1918, 3927, 4193, 4291). To 0.0.0.0 and :: Linux connects as
// to loopback.
const networks = [
  '0.0.0.0/32',
  '10.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::/128',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

// Loopback (RFC 6761), multicast DNS (RFC 6762), and the machine below a container.
const localName = /(^|\.)localhost$|\.local$|^host\.docker\.internal$/;

const local = new BlockList();
for (const network of networks) {
  const [address = '', prefix] = network.split('/');
  local.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

export function isLocalServer(baseUrl: string | undefined): boolean {
  if (baseUrl === undefined || !URL.canParse(baseUrl)) return false;
  // A URL writes every form of an IPv4 address as four numbers, and IPv6 in brackets.
  const host = new URL(baseUrl).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const version = isIP(host);
  return version === 0 ? localName.test(host) : local.check(host, version === 4 ? 'ipv4' : 'ipv6');
}
