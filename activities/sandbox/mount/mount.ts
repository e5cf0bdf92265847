// The sandbox that is no cage: files of one directory of this machine, and a shell in it. File operations cannot
// leave the directory; a command can reach whatever the user of this process can, and every surface says so. No token
// and no key is put into its environment or its directory, but the token's file in the data folder is its user's to
// read, and so is the memory of this process: what must not be read belongs to another user.
import { accessSync, constants } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type OpenSandbox, type SandboxDriver, SandboxRefusal } from '../sandbox.ts';
import { type GitBounds, runCommand } from './exec.ts';
import { filesOf, refusal } from './files.ts';
import { mountHandles } from './handles.ts';
import { openRoot, type Root } from './locate.ts';
import { realNames } from './real-names.ts';

export interface MountNeeds {
  /** Where runs without a project have a folder each. */
  workFolder: string;
  /** Where commands find programs. */
  programs: string;
  /** What else of the user's environment reaches them; nothing of this process's own does. */
  variables?: Record<string, string>;
  gitBounds: GitBounds;
}

export function createMount({ workFolder, programs, variables = {}, gitBounds }: MountNeeds): SandboxDriver {
  return {
    mode: 'mount',
    contains: { files: false, network: false, processes: false },
    reach: 'contains nothing; a shell reaches what its user can, also the token’s file',
    open: ({ id, projectPath }) =>
      openMount({
        root: projectPath ?? join(workFolder, id),
        make: projectPath === null,
        programs,
        variables,
        gitBounds,
      }),
    ...mountHandles,
  };
}

// Where programs are on a usual system, for callers that pass nothing better.
const usualPrograms = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function openMount(options: {
  root: string;
  /** Make the directory when it is missing. */
  make?: boolean;
  programs?: string;
  variables?: Record<string, string>;
  gitBounds: GitBounds;
}): Promise<OpenSandbox> {
  const { root: given, make = false, programs = usualPrograms, variables, gitBounds } = options;
  const environment = { LANG: 'C.UTF-8', ...variables, PATH: programs, HOME: homedir(), TERM: 'dumb' };
  const shell = findShell();
  const roots = [await openDirectory(given, make)];

  /** What stands at the root's path now: a checkout may have replaced it since the call before. */
  async function current(): Promise<Root> {
    const last = roots.at(-1);
    const [held, now] = await Promise.all([last?.handle?.stat(), stat(given).catch(() => undefined)]);
    if (last && held && held.ino === now?.ino && held.dev === now.dev) return last;
    const root = await openDirectory(given, make);
    // Calls under way go on in the one they have; all are closed together.
    if (root.handle) roots.push(root);
    return root;
  }

  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const root = await current();
      const surroundings = { shell, directory: root.real, environment, gitBounds };
      return {
        root: given,
        exec: (options) => runCommand(surroundings, options),
        follow: (names) => realNames({ given, real: root.real, programs }, names),
        ...filesOf({ ...root, mayUse }),
      };
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

function findShell(): string {
  const isThere = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (
    ['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash', '/opt/homebrew/bin/bash'].find(isThere) ?? '/bin/sh'
  );
}
