// A directory of this machine, held open while a run works in it.
import { mkdir, stat } from 'node:fs/promises';
import { SandboxRefusal } from '../sandbox.ts';
import { refusal } from './files.ts';
import { openRoot, type Root } from './locate.ts';

export interface Tree {
  /** What stands at its path now: a checkout may have replaced it since the call before. */
  current(): Promise<Root>;
  close(): Promise<void>;
}

/** Refuses what is no directory. `make`: make it when it is missing. */
export async function openTree(given: string, { make = false } = {}): Promise<Tree> {
  const roots = [await openDirectory(given, make)];
  return {
    async current() {
      const last = roots.at(-1);
      const [held, now] = await Promise.all([last?.handle?.stat(), stat(given).catch(() => undefined)]);
      if (last && held && held.ino === now?.ino && held.dev === now.dev) return last;
      const root = await openDirectory(given, make);
      // Calls under way go on in the one they have; all are closed together.
      if (root.handle) roots.push(root);
      return root;
    },
    async close() {
      for (const root of roots) await root.handle?.close();
    },
  };
}

async function openDirectory(given: string, make: boolean): Promise<Root> {
  if (make) await mkdir(given, { recursive: true, mode: 0o700 });
  const root = await openRoot(given).catch((error: NodeJS.ErrnoException) => {
    throw refusal(error, given);
  });
  if ((await stat(root.real)).isDirectory()) return root;
  await root.handle?.close();
  throw new SandboxRefusal(`${given} is not a directory`);
}
