// A way out for each command that was granted one: a proxy on a socket of its own, in a folder of ours, for as long as the
// command runs.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { NetworkContact } from '../../workflows/contracts/call.ts';
import { readHostAndPort } from '../../workflows/policy/host.ts';
import type { Egress } from './egress.ts';
import { openProxy, type Proxy } from './proxy.ts';

export interface WayOut {
  /**
   * The path of its socket, made when it is first asked for, and open to every user who can see it. `folder`: where it is
   * to be, in place of the worker's own folder; it is there already.
   */
  socket(folder?: string): Promise<string>;
  contacts(): NetworkContact[];
  /** Ends every connection; nothing of it is left. */
  close(): Promise<void>;
}

export interface WaysOut {
  /**
   * For one command. `hosts`: as its call named them. `onNew` is told when `contacts` has
   * something new to say of a host.
   */
  prepare(hosts: readonly string[], onNew: () => void): WayOut;
  /** Removes the sockets of workers that are dead. */
  sweep(): Promise<void>;
}

/** `folder`: made where it is missing, and shut to other users. */
export function createWaysOut({ folder, egress }: { folder: string; egress: Egress }): WaysOut {
  return {
    prepare(hosts, onNew) {
      const granted = hosts.map((each) => {
        const read = readHostAndPort(each);
        // Its tool has taken no other, and policy has read it too.
        if (read === undefined) throw new Error(`${each} is no host`);
        return read;
      });
      let opened: Promise<void> | undefined;
      let proxy: Proxy | undefined;
      const name = `${randomBytes(12).toString('hex')}.sock`;
      let path = join(folder, name);
      const openIn = (place: string): Promise<void> => {
        path = join(place, name);
        return throughDescriptor(place, async (short) => {
          proxy = await openProxy(join(short, name), { egress, granted, onNew });
        });
      };
      return {
        async socket(place = folder) {
          await (opened ??= openIn(place));
          return path;
        },
        contacts: () => proxy?.contacts() ?? [],
        async close() {
          await opened?.catch(() => {});
          await proxy?.close();
          await unlink(path).catch(() => {});
        },
      };
    },
    sweep: () =>
      throughDescriptor(folder, async (short) => {
        for (const name of await readdir(short))
          if (!(await isHeard(join(short, name)))) await unlink(join(short, name)).catch(() => {});
      }),
  };
}

/** A socket's path may have 107 bytes, and a data folder may have more: it is reached by its descriptor. */
async function throughDescriptor(folder: string, act: (short: string) => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const handle = await open(folder, 'r');
  try {
    await act(`/proc/self/fd/${handle.fd}`);
  } finally {
    await handle.close();
  }
}

/** The kernel refuses a connection to a socket whose process is gone. */
function isHeard(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true));
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  return promise.finally(() => socket.destroy());
}
