// Real pipes for the output of a command: the sockets that Node would give it cannot be opened again as /dev/stderr
// or /dev/stdout. They have a name for a moment only, between being made and being opened.
import { execFile } from 'node:child_process';
import { constants, open as openDescriptor } from 'node:fs';
import { type FileHandle, lstat, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const prefix = 'perdure-pipes-';
// Opening takes milliseconds, so an older folder was left by a killed process.
const staleAfterMs = 60_000;

interface Pipe {
  reader: Socket;
  writer: FileHandle;
}

export interface Pipes {
  stdout: Pipe;
  stderr: Pipe;
}

let swept: Promise<void> | undefined;

export async function openPipes(): Promise<Pipes> {
  swept ??= removeStale();
  await swept;
  const folder = await mkdtemp(join(tmpdir(), prefix));
  try {
    const [stdout, stderr] = [join(folder, 'stdout'), join(folder, 'stderr')];
    const environment = { PATH: '/usr/bin:/bin' };
    await promisify(execFile)('mkfifo', ['-m', '600', stdout, stderr], { env: environment });
    return { stdout: await openPipe(stdout), stderr: await openPipe(stderr) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function openPipe(path: string): Promise<Pipe> {
  // A plain descriptor: the socket owns it, and a FileHandle would close it a second time.
  const fd = await promisify(openDescriptor)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = await open(path, constants.O_WRONLY);
  return { reader: new Socket({ fd, readable: true, writable: false }), writer };
}

/** Once in the life of a process: what a predecessor that was killed in between has left. */
async function removeStale(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(tmpdir(), name);
    const stat = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
      // Another process sweeps as well.
      if (error.code !== 'ENOENT') throw error;
    });
    const isOurs = stat?.isDirectory() === true && stat.uid === process.getuid?.();
    if (isOurs && Date.now() - stat.mtimeMs > staleAfterMs)
      await rm(folder, { recursive: true, force: true });
  }
}
