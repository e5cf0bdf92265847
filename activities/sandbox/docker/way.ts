// The way out of a command in a container: its socket is in a folder of the run that the container sees, and a program of
// the image hands connections on to it.
import { randomInt } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { noForwarder } from '../group/forwarder.ts';
import { type ExecOptions, proxyVariables } from '../sandbox.ts';

/** Where a container sees the folder. */
export const waysOutInside = '/run/perdure';

// Below those that the kernel gives out. Commands of a run that are let out at once share its network: each has its own,
// and one that looks for another's finds what policy has allowed to its run.
const ports = { from: 20_000, to: 32_000 };

function folderOf(viewFolder: string, runId: string): string {
  return join(viewFolder, 'ways-out', runId);
}

/** The user of the container may use a socket whose name it knows, and not look for others. */
export async function makeWaysFolder(viewFolder: string, runId: string): Promise<string> {
  const folder = folderOf(viewFolder, runId);
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await noteUse(viewFolder, runId);
  return folder;
}

/** Tells every worker of this machine that the run uses its container now, or is about to. */
export async function noteUse(viewFolder: string, runId: string): Promise<void> {
  const now = new Date();
  await utimes(folderOf(viewFolder, runId), now, now);
}

/** In milliseconds; zero where nothing is known of the run. */
export async function lastUse(viewFolder: string, runId: string): Promise<number> {
  return (await stat(folderOf(viewFolder, runId)).catch(() => undefined))?.mtimeMs ?? 0;
}

/** A worker may have died before it made a container, or behind its end. */
export async function runsWithWays(viewFolder: string): Promise<string[]> {
  return readdir(folderOf(viewFolder, '')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

export async function removeWaysFolder(viewFolder: string, runId: string): Promise<void> {
  await rm(folderOf(viewFolder, runId), { recursive: true, force: true });
}

/** What starts the forwarder of a command, and the variables that tell its programs of it. */
export async function openWay(
  wayOut: ExecOptions['wayOut'],
  folder: string,
): Promise<{ forwarder: readonly string[]; variables: Record<string, string> }> {
  if (wayOut === undefined) return { forwarder: noForwarder, variables: {} };
  const socket = join(waysOutInside, basename(await wayOut.socket(folder)));
  const port = randomInt(ports.from, ports.to);
  return { forwarder: ['node', String(port), socket], variables: proxyVariables(port) };
}
