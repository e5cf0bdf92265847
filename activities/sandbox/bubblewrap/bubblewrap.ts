// The sandbox without a daemon: commands run in namespaces of their own, made by bubblewrap. They see programs, the
// run's work tree and nothing else of the machine, no network and no process but their own. Files are read and written
// from here, held to the tree by descriptor.
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, type Surroundings } from '../group/exec.ts';
import { type GroupHandle, groupHandles } from '../group/handles.ts';
import { noForwarder } from '../group/forwarder.ts';
import { findShell } from '../group/shell.ts';
import {
  type ExecOptions,
  type ExecResult,
  proxyVariables,
  type SandboxDriver,
  SandboxRefusal,
  type SandboxRun,
} from '../sandbox.ts';
import { lookBeside, openBeside, withoutHidden } from '../tree/beside.ts';
import { filesOf } from '../tree/files.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';
import { home } from '../tree/stand-ins.ts';
import { findGuarded, guardedIn } from '../tree/guarded.ts';
import { asMounted } from '../tree/mount-check.ts';
import { script, toInput } from './inner.ts';
import { findProgram, probeBubblewrap } from './probe.ts';
import { asEnded, leftIn, noted, wasShortOfMemory } from '../group/ending.ts';
import { type Cgroups, createCgroups } from './cgroup.ts';
import { makeStandIns } from './stand-ins.ts';
import { viewArguments } from './view.ts';
import { type Limits, watch } from './watch.ts';

export interface BubblewrapNeeds {
  /** Where runs without a project have a folder each. */
  workFolder: string;
  /** For files of ours that commands see. */
  viewFolder: string;
  /** Folders that no command and no tool may see, even in the work tree. */
  hidden: readonly string[];
  /** Where commands find programs. */
  programs: string;
  /** What else of the user's environment reaches them. */
  variables?: Record<string, string>;
  limits?: Limits;
}

const mode = 'bubblewrap';

// Where a command with a way out sees its ends. The Node is the one that the worker runs on. Proxies are usually heard at
// this port; in a network of its own nothing else has it.
const way = { node: '/run/perdure/node', socket: '/run/perdure/way-out', port: 3128 };

// Builds and tests of most projects need less; of what one command starts, all together.
const usualLimits: Limits = { memoryBytes: 4 * 2 ** 30, processes: 1000 };

export function createBubblewrap(needs: BubblewrapNeeds): SandboxDriver {
  const program = findProgram(needs.programs);
  const cgroups = createCgroups();
  return {
    mode,
    contains: { files: true, network: true, processes: true },
    reach: 'contains files, network and processes; disk and processor are the machine’s',
    probe: () => probeBubblewrap(program, cgroups),
    open: ({ id, projectPath, beside, variables }) =>
      open(needs, program, cgroups, {
        ...{ root: projectPath ?? join(needs.workFolder, id), make: projectPath === null },
        ...{ beside, own: variables },
      }),
    ...groupHandles,
    async sweep(handles) {
      await groupHandles.sweep(handles);
      await cgroups.removeLeft();
    },
  };
}

interface Opening {
  root: string;
  make: boolean;
  beside: SandboxRun['beside'];
  /** The variables of the run. */
  own: SandboxRun['variables'];
}

async function open(
  needs: BubblewrapNeeds,
  program: string | undefined,
  cgroups: Cgroups,
  { root, make, beside, own }: Opening,
): ReturnType<SandboxDriver['open']> {
  const { programs, variables, viewFolder, limits = usualLimits } = needs;
  const hidden = await Promise.all(needs.hidden.map((each) => realpath(each).catch(() => each)));
  const environment = { LANG: 'C.UTF-8', ...variables, ...own, PATH: programs, HOME: home, TERM: 'dumb' };
  const tree = await openTree(root, { make });
  const { real } = await tree.current();
  const others = await openBeside(beside);
  const lookAtOthers = await lookBeside(beside, hidden);
  const [standIns, found] = [await makeStandIns(viewFolder), await findGuarded(real, hidden)];
  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const at = await tree.current();
      return {
        root,
        async exec(options: ExecOptions): Promise<ExecResult> {
          if (program === undefined) throw new SandboxRefusal('bubblewrap is gone from this machine');
          const guarded = await guardedIn(at.real, found, hidden);
          const shown = await lookAtOthers();
          const view = await viewArguments({
            ...{ tree: at.real, beside: shown, programs, hidden, standIns, guarded },
          });
          const socket = await options.wayOut?.socket();
          const checks = [
            ...[...guarded.parents, ...guarded.readOnly].map((path) => `=${asMounted(path)}`),
            ...[...guarded.covered, ...shown.flatMap(({ path, covered }) => [path, ...covered])].map(
              (path) => `+${asMounted(path)}`,
            ),
          ];
          const within = [
            // On TERM bubblewrap would kill all in it at once. It ignores TERM, so the programs in it may clean up.
            ...['env', '--ignore-signal=TERM'],
            ...filtered([program, ...view, ...(socket === undefined ? [] : viewOf(socket))], standIns.filter),
            ...['--', '/bin/sh', '-c', script, 'sh', asMounted(at.real), ...checks, '--'],
            ...(socket === undefined ? noForwarder : [way.node, String(way.port), way.socket]),
            ...processLimit(limits.processes),
            ...['env', '--default-signal=TERM'],
          ];
          // A git command that was allowed is contained like any other.
          const gitBounds = async (): Promise<Record<string, string>> => ({});
          const shell = findShell();
          const surroundings = {
            ...{ kind: mode, shell, directory: at.real, gitBounds },
            environment: { PATH: programs },
            input: toInput({ ...environment, ...(socket !== undefined && proxyVariables(way.port)) }),
          };
          const { enter, wasShort, remove } = await cgroups.make(limits);
          try {
            const inCgroup = { ...surroundings, within: [...enter, ...within] };
            return await runWatched(inCgroup, options, limits, wasShort);
          } finally {
            await remove();
          }
        },
        follow: (names) => realNames({ given: root, real: at.real, programs }, names),
        ...filesOf(
          { ...at, mayUse: withoutHidden(mayUse, [at.real, ...(beside ?? [])], hidden) },
          await others.current(),
        ),
      };
    },
    async close() {
      await tree.close();
      await others.close();
    },
  };
}

function viewOf(socket: string): string[] {
  return ['--ro-bind', process.execPath, way.node, '--ro-bind', socket, way.socket];
}

async function runWatched(
  surroundings: Surroundings,
  options: ExecOptions,
  limits: Limits,
  wasShort: () => boolean,
): Promise<ExecResult> {
  let report = '';
  let over: string | undefined;
  let watching: ReturnType<typeof watch> | undefined;
  const onReport = (text: string): void => void (report += text);
  const onStart: ExecOptions['onStart'] = async (handle) => {
    await options.onStart(handle);
    watching = watch(handle as GroupHandle, limits, (why) => (over = why));
  };
  // Nothing outlives the shell here, so there is nothing to be told of.
  const { key, command, judged = false, signal, onOutput } = options;
  const withStart = { key, command, judged, signal, onOutput, onStart };
  try {
    const result = await runCommand({ ...surroundings, onReport }, withStart);
    if (over !== undefined) return { exitCode: null, signal: 'SIGKILL', note: over };
    if (/^moved$/m.test(report))
      throw new SandboxRefusal('the project’s folders were moved while the command was starting; try again');
    if (/^unconnected$/m.test(report))
      throw new SandboxRefusal('the command’s way into the network could not be opened; try again');
    if (!/^started$/m.test(report) && result.exitCode !== null)
      throw new SandboxRefusal('bubblewrap could not start the command; its output says why');
    return { ...asEnded(result), ...noted(wasShort() && wasShortOfMemory, leftIn(report)) };
  } finally {
    watching?.stop();
  }
}

/** bubblewrap reads the filter of system calls from a descriptor. */
function filtered([program = '', ...rest]: readonly string[], filter: string | undefined): string[] {
  if (filter === undefined) return [program, ...rest];
  const start = 'exec 5<"$1"; shift; program=$1; shift; exec "$program" --seccomp 5 "$@"';
  return ['/bin/sh', '-c', start, 'sh', filter, program, ...rest];
}

/** Where util-linux is missing, processes are counted from outside only. */
function processLimit(processes: number): string[] {
  const program = '/usr/bin/prlimit';
  return existsSync(program) ? [program, `--nproc=${processes}`, '--core=0', '--'] : [];
}
