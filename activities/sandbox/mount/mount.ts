// The sandbox that is no cage: files of one directory of this machine, and a shell in it. File operations cannot
// leave the directory; a command can reach whatever the user of this process can, and every surface says so.
import { accessSync, constants } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type OpenSandbox, type SandboxDriver, SandboxRefusal } from '../sandbox.ts';
import { runCommand } from './exec.ts';
import { filesOf, refusal } from './files.ts';
import { mountHandles } from './handles.ts';
import { openRoot } from './place.ts';

export interface MountNeeds {
  /** Where runs without a project have a folder each. */
  workFolder: string;
  /** Where commands find programs. Nothing else of this process's environment reaches them. */
  programs: string;
}

export function createMount({ workFolder, programs }: MountNeeds): SandboxDriver {
  return {
    mode: 'mount',
    contains: { files: false, network: false, processes: false },
    async open({ id, projectPath }) {
      const root = projectPath ?? join(workFolder, id);
      if (projectPath === null) await mkdir(root, { recursive: true, mode: 0o700 });
      return openMount({ root, programs });
    },
    ...mountHandles,
  };
}

// Where programs are on a usual system, for callers that pass nothing better.
const usualPrograms = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function openMount(options: { root: string; programs?: string }): Promise<OpenSandbox> {
  const { root: given, programs = usualPrograms } = options;
  const root = await openRoot(given).catch((error: NodeJS.ErrnoException) => {
    throw refusal(error, given);
  });
  if (!(await stat(root.real)).isDirectory()) {
    await root.handle?.close();
    throw new SandboxRefusal(`${given} is not a directory`);
  }
  const environment = { PATH: programs, HOME: homedir(), LANG: 'C.UTF-8', TERM: 'dumb' };
  const place = { shell: findShell(), directory: root.real, environment };
  return {
    forCall: ({ mayUse = root.mayUse } = {}) => ({
      root: given,
      exec: (options) => runCommand(place, options),
      ...filesOf({ ...root, mayUse }),
    }),
    async close() {
      await root.handle?.close();
    },
  };
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
