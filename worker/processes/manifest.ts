// The manifest of schedules: the file that the server is set to, else what a request sends.
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../workflows/contracts/failures.ts';

export function createManifest(file: string | undefined): (sent: string | undefined) => Promise<string> {
  return async (sent) => {
    if (file === undefined) {
      if (sent !== undefined) return sent;
      const detail =
        'This server is set to no manifest: send one (perdure schedule sync FILE), or name its file with PERDURE_SCHEDULES_FILE.';
      throw new Failure('NotRunnable', detail);
    }
    // Two of them would take away each other's schedules.
    if (sent !== undefined) {
      const detail = `The schedules of this server are defined in ${file}: change them there, and sync without a manifest.`;
      throw new Failure('NotRunnable', detail);
    }
    const text = await readWhole(file).catch((error: NodeJS.ErrnoException) => {
      throw new Failure('NotRunnable', `The manifest ${file} cannot be read (${error.code ?? error.name}).`);
    });
    if (text !== undefined) return text;
    throw new Failure('NotRunnable', `The manifest ${file} is being written; sync again when it is done.`);
  };
}

// A checkout or an editor may write a file in parts. Cut at a line it is still a manifest, of fewer schedules, and those
// that it lacks would be removed. So it is read when it has not changed for this long.
const settledMs = 1_000;
// The transaction of a sync waits meanwhile, which may last 15 s.
const mostReads = 5;

/** Undefined: it changes all the time. */
async function readWhole(file: string): Promise<string | undefined> {
  for (let reads = 0; reads < mostReads; reads += 1) {
    const text = await readFile(file, 'utf8');
    const age = Date.now() - (await stat(file)).mtimeMs;
    // Far ahead: the clock was set back since. A little ahead it is of now: a file's time is finer than this clock.
    if (Math.abs(age) >= settledMs) return text;
    await sleep(settledMs - age);
  }
  return undefined;
}
