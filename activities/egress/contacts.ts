// What one command has reached and asked for in vain, and the bounds of it. The hosts are the command's own words, read as
// hosts: what is no host is answered and not kept.
import type { Socket } from 'node:net';
import type { NetworkContact } from '../../workflows/contracts/call.ts';

/** All that one command may move, in bytes. A toolchain with its packages is below a gigabyte. */
export const mostBytes = 4 * 2 ** 30;
// Hosts that are refused are the command's own invention and cost it nothing: after so many, further ones are left out.
// What it was let out to is always named: those hosts are granted, and few.
const mostRefused = 100;
// Between two looks a command may move more than all it may.
const lookMs = 1000;

type Contact = NetworkContact;

export interface Contacts {
  refuse(target: { host: string; port: number }, problem: string): void;
  /** Counts what goes over a connection to the target, until it is closed. */
  count(target: { host: string; port: number }, connection: Socket): void;
  /** The command has moved all it may. */
  isSpent(): boolean;
  list(): Contact[];
}

const keyOf = ({ host, port }: { host: string; port: number }): string => `${host} ${port}`;

interface Counted {
  contact: Contact;
  sent: number;
  received: number;
}

/** `onNew`: told of each new one, and of each first refusal. */
export function createContacts(onNew: () => void, most = mostBytes): Contacts {
  const known = new Map<string, Contact>();
  const connections = new Map<Socket, Counted>();
  let moved = 0;
  function of({ host, port }: { host: string; port: number }): Contact {
    const key = keyOf({ host, port });
    const found = known.get(key);
    if (found !== undefined) return found;
    const contact = {
      host,
      port,
      connections: 0,
      sentBytes: 0,
      receivedBytes: 0,
      refusals: 0,
      problem: null,
    };
    known.set(key, contact);
    onNew();
    return contact;
  }
  function look(): void {
    for (const [connection, counted] of connections) {
      const { contact } = counted;
      const [sent, received] = [connection.bytesWritten, connection.bytesRead];
      moved += sent - counted.sent + received - counted.received;
      contact.sentBytes += sent - counted.sent;
      contact.receivedBytes += received - counted.received;
      Object.assign(counted, { sent, received });
    }
    if (moved > most) for (const connection of connections.keys()) connection.destroy();
  }
  return {
    refuse(target, problem) {
      if (known.size >= mostRefused && !known.has(keyOf(target))) return;
      const contact = of(target);
      contact.refusals += 1;
      if (contact.problem === null) onNew();
      contact.problem = problem;
    },
    count(target, connection) {
      const contact = of(target);
      contact.connections += 1;
      connections.set(connection, { contact, sent: 0, received: 0 });
      const timer = setInterval(look, lookMs).unref();
      connection.once('close', () => {
        clearInterval(timer);
        look();
        connections.delete(connection);
      });
    },
    isSpent: () => moved > most,
    list() {
      look();
      return [...known.values()].map((contact) => ({ ...contact }));
    },
  };
}
