// The sandbox that is no cage: files of one directory of this machine, and a shell in it. File operations cannot
// leave the directory; a command can reach whatever the user of this process can, and every surface says so. No token
// and no key is put into its environment or its directory, but the token's file in the data folder is its user's to
// read, and so is the memory of this process: what must not be read belongs to another user.
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { OpenSandbox, SandboxDriver } from '../sandbox.ts';
import { type GitBounds, runCommand } from '../group/exec.ts';
import { groupHandles } from '../group/handles.ts';
import { findShell } from '../group/shell.ts';
import { filesOf } from '../tree/files.ts';
import { openBeside } from '../tree/beside.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';

const mode = 'mount';

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
    mode,
    contains: { files: false, network: false, processes: false },
    reach: 'contains nothing; a shell reaches what its user can, also the token’s file',
    probe: async () => ({ ok: true }),
    open: ({ id, projectPath, beside, variables: own }) =>
      openMount({
        root: projectPath ?? join(workFolder, id),
        beside,
        make: projectPath === null,
        programs,
        variables: { ...variables, ...own },
        gitBounds,
      }),
    ...groupHandles,
  };
}

// Where programs are on a usual system, for callers that pass nothing better.
const usualPrograms = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function openMount(options: {
  root: string;
  beside?: readonly string[] | undefined;
  /** Make the directory when it is missing. */
  make?: boolean;
  programs?: string;
  variables?: Record<string, string>;
  gitBounds: GitBounds;
}): Promise<OpenSandbox> {
  const { root: given, make = false, programs = usualPrograms, variables, gitBounds } = options;
  const environment = { LANG: 'C.UTF-8', ...variables, PATH: programs, HOME: homedir(), TERM: 'dumb' };
  const shell = findShell();
  const tree = await openTree(given, { make });
  const others = await openBeside(options.beside);
  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const root = await tree.current();
      const surroundings = { kind: mode, shell, directory: root.real, environment, gitBounds };
      return {
        root: given,
        exec: (options) => runCommand(surroundings, options),
        follow: (names) => realNames({ given, real: root.real, programs }, names),
        ...filesOf({ ...root, mayUse }, await others.current()),
      };
    },
    async close() {
      await tree.close();
      await others.close();
    },
  };
}
