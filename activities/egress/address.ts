// Which network addresses may be reached: public ones. What is not known to be public is refused.
import { BlockList, isIP } from 'node:net';

// IANA special-purpose registry: private, shared (CGNAT), loopback, link-local (cloud metadata is there),
// documentation, benchmarking, relays, multicast, reserved.
const refusedV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // The metadata and wire server of one cloud, on an address that looks public.
  '168.63.129.16/32',
];
// Only global unicast is public in IPv6; that leaves out mapped, NAT64, unique local, link-local and multicast.
// Refused inside it: protocol assignments with Teredo and ORCHID, documentation, 6to4, which carry IPv4 addresses.
const publicV6 = ['2000::/3'];
const refusedV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const refused = listOf([...refusedV4, ...refusedV6]);
const allowed = listOf(publicV6);

export function addressProblem(address: string): string | undefined {
  const version = isIP(address);
  const isPublic =
    version === 4
      ? !refused.check(address, 'ipv4')
      : version === 6 &&
        !address.includes('%') &&
        allowed.check(address, 'ipv6') &&
        !refused.check(address, 'ipv6');
  return isPublic ? undefined : `${address} is not a public address; only public addresses can be reached`;
}

function listOf(networks: string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
