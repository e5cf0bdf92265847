// The sandbox without a daemon: commands run in namespaces of their own, made by bubblewrap. They see programs, the
// run's work tree and nothing else of the machine, no network and no process but their own. Files are read and written
// from here, held to the tree by descriptor.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from '../group/exec.ts';
import { groupHandles } from '../group/handles.ts';
import { findShell } from '../group/shell.ts';
import type { ExecOptions, ExecResult, SandboxDriver, Usable } from '../sandbox.ts';
import { filesOf } from '../tree/files.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';
import { signalName } from './signal-name.ts';
import { viewArguments } from './view.ts';

export interface BubblewrapNeeds {
  /** Where runs without a project have a folder each. */
  workFolder: string;
  /** For files of ours that commands see. */
  viewFolder: string;
  /** Folders that no command may see, even in its work tree. */
  hidden: readonly string[];
  /** Where commands find programs. */
  programs: string;
  /** What else of the user's environment reaches them. */
  variables?: Record<string, string>;
}

const mode = 'bubblewrap';

// Starting it takes some ten milliseconds; a machine that swaps may take longer.
const probeMs = 1000;

export function createBubblewrap(needs: BubblewrapNeeds): SandboxDriver {
  const program = findProgram(needs.programs);
  return {
    mode,
    contains: { files: true, network: true, processes: true },
    reach: 'contains files, network and processes; memory and disk are the machine’s',
    probe: () => probe(program),
    open: ({ id, projectPath }) => {
      if (program === undefined) throw new Error('bubblewrap is gone from this machine');
      return open(needs, program, {
        root: projectPath ?? join(needs.workFolder, id),
        make: projectPath === null,
      });
    },
    ...groupHandles,
  };
}

async function probe(program: string | undefined): Promise<Usable> {
  if (program === undefined) {
    return { ok: false, why: 'There is no bwrap on this machine.', how: 'Install bubblewrap.' };
  }
  const trial = [
    '--unshare-all',
    '--unshare-user',
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    'true',
  ];
  try {
    await promisify(execFile)(program, trial, { timeout: probeMs, env: { PATH: '/usr/bin:/bin' } });
    return { ok: true };
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? error)
      .trim()
      .slice(0, 300);
    return {
      ok: false,
      why: `bubblewrap cannot start here: ${said}.`,
      how: 'It needs user namespaces, which the system may forbid: kernel.unprivileged_userns_clone, or AppArmor.',
    };
  }
}

async function open(
  needs: BubblewrapNeeds,
  program: string,
  { root, make }: { root: string; make: boolean },
): ReturnType<SandboxDriver['open']> {
  const { programs, variables, hidden, viewFolder } = needs;
  const environment = { LANG: 'C.UTF-8', ...variables, PATH: programs, TERM: 'dumb' };
  const tree = await openTree(root, { make });
  await mkdir(viewFolder, { recursive: true, mode: 0o700 });
  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const at = await tree.current();
      return {
        root,
        async exec(options: ExecOptions): Promise<ExecResult> {
          const view = await viewArguments({ tree: at.real, programs, hidden, folder: viewFolder });
          // Asked to end, bubblewrap would take all with it at once: what is in it is asked, and may clean up.
          const within = [
            'env',
            '--ignore-signal=TERM',
            program,
            ...view,
            '--',
            'env',
            '--default-signal=TERM',
          ];
          const shell = findShell();
          // git that was allowed by its words is contained as all else.
          const gitBounds = async (): Promise<Record<string, string>> => ({});
          const surroundings = { kind: mode, shell, directory: at.real, environment, gitBounds, within };
          return asEnded(await runCommand(surroundings, options));
        },
        follow: (names) => realNames({ given: root, real: at.real, programs }, names),
        ...filesOf({ ...at, mayUse }),
      };
    },
    close: () => tree.close(),
  };
}

/** bubblewrap tells of a signal as shells do: 128 and its number. */
function asEnded({ exitCode, signal }: ExecResult): ExecResult {
  const name = exitCode !== null && exitCode > 128 ? signalName(exitCode - 128) : undefined;
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

function findProgram(programs: string): string | undefined {
  const folders = [...programs.split(':'), '/usr/bin', '/usr/local/bin', '/bin'];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'bwrap'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
