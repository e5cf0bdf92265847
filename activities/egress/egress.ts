// The port of what may be reached outside: the one way to an address. Names are vetted at the moment of connecting, so an
// answer that changes between check and use gains nothing.
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Agent } from 'undici';
import { addressProblem } from './address.ts';

export interface Egress {
  /** Asks for every address of a name. */
  resolve(hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void): void;
  /** Says why an address is refused. */
  addressProblem(address: string): string | undefined;
}

type Resolved = Parameters<Egress['resolve']>[1];
const asking = new Map<string, Resolved[]>();

/**
 * A lookup takes a thread for as long as the name server is silent, and a process has few: all who ask for one name
 * meanwhile wait for one lookup.
 */
function resolve(hostname: string, done: Resolved): void {
  const others = asking.get(hostname);
  if (others) return void others.push(done);
  const waiting = [done];
  asking.set(hostname, waiting);
  systemLookup(hostname, { all: true }, (error, addresses) => {
    asking.delete(hostname);
    for (const each of waiting) each(error, addresses);
  });
}

export const publicEgress: Egress = { resolve, addressProblem };

/** The message is a clause for the model: which address, and why not. */
export class AddressRefused extends Error {
  override name = 'AddressRefused';
}

/** Throws AddressRefused for an address written as such: it is connected to without being looked up. */
export function checkLiteral(egress: Egress, host: string): void {
  const literal = host.replace(/^\[|\]$/g, '');
  const problem = isIP(literal) === 0 ? undefined : egress.addressProblem(literal);
  if (problem !== undefined) throw new AddressRefused(problem);
}

/** For `connect`: answers with those addresses of a name that may be reached, and fails with AddressRefused without one. */
export function vettedLookup(egress: Egress): LookupFunction {
  return (hostname, options, callback) => {
    egress.resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const vetted = addresses.filter(({ address }) => egress.addressProblem(address) === undefined);
      const [first] = vetted;
      if (first === undefined) {
        const problem = addresses[0] && egress.addressProblem(addresses[0].address);
        return callback(new AddressRefused(problem ?? `${hostname} has no address`), '');
      }
      if (options.all === true) callback(null, vetted);
      else callback(null, first.address, first.family);
    });
  };
}

// A server that does not answer in this time is not going to.
const connectMs = 10_000;
const answerMs = 30_000;

export function agentOptions(egress: Egress): Agent.Options {
  return {
    connect: { lookup: vettedLookup(egress), timeout: connectMs },
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
  };
}

/** The network says no in many ways; all of them are answers. Undefined: it is not the network. */
export function networkProblem(error: unknown): string | undefined {
  if (error instanceof AddressRefused) return error.message;
  // This is how fetch says that it failed; the reason is inside, sometimes several layers deep.
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  let reason: Error = error.cause;
  while (reason.cause instanceof Error) reason = reason.cause;
  if (reason instanceof AggregateError && reason.errors[0] instanceof Error) reason = reason.errors[0];
  return reason.message;
}
