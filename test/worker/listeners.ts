// What listens, by the kernel's own tables, and what it says to a page that has its own name point to this machine.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { portsBrowsersRefuse } from '../../worker/supervisor/ports.ts';

export interface Listener {
  host: string;
  port: number;
  /** Its whole answer to each of these, as text; empty when it answers nothing. */
  said: string[];
}

// What there would be to read: our page, Temporal's page, its HTTP API, its figures.
const paths = ['/', '/temporal', '/api/v1/namespaces', '/temporal/api/v1/namespaces', '/metrics'];
// A server that says nothing by then waits for more in a protocol of its own; those of today all answer or hang up. On a
// loaded machine an answer may take ten seconds.
const silenceMs = 30_000;

function ask(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host, port }, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`);
    });
    socket.setTimeout(silenceMs, () => {
      // What has come while this process had no turn itself is read before.
      const heard = said.length;
      setImmediate(() => said.length > heard || socket.destroy());
    });
    socket.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
  });
}

/** The listening sockets of a process; IPv4 as dotted numbers, others as the kernel writes them. */
export async function listenersOf(pid: number): Promise<Listener[]> {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed between the two looks.
        return [];
      }
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'),
  );
  const places = rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    // 0A: listens.
    if (state !== '0A' || !inodes.has(inode)) return [];
    const [address = '', port = ''] = local.split(':');
    const bytes = [...Buffer.from(address, 'hex')].reverse();
    return [{ host: bytes.length === 4 ? bytes.join('.') : address, port: Number.parseInt(port, 16) }];
  });
  return Promise.all(
    places.map(async (place) => ({
      ...place,
      said: await Promise.all(paths.map((path) => ask(place.host, place.port, path))),
    })),
  );
}

/**
 * `no HTTP`: a browser gets nothing from it. `refuses`: it speaks HTTP and gives a stranger's Host nothing but refusals.
 * `no browser connects`: it answers, on a port that browsers refuse.
 */
export function kindOf({ port, said }: Listener): string {
  const answers = said.filter((text) => text.startsWith('HTTP/'));
  if (answers.length === 0) return 'no HTTP';
  if (answers.every((text) => /^HTTP\/1\.[01] 4\d\d /.test(text))) return 'refuses';
  return portsBrowsersRefuse.includes(port) ? 'no browser connects' : `answers: ${answers.join('\n')}`;
}
