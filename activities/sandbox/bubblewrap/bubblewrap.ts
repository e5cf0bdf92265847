// The sandbox without a daemon: commands run in namespaces of their own, made by bubblewrap. They see programs, the
// run's work tree and nothing else of the machine, no network and no process but their own. Files are read and written
// from here, held to the tree by descriptor.
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, type Surroundings } from '../group/exec.ts';
import { type GroupHandle, groupHandles } from '../group/handles.ts';
import { findShell } from '../group/shell.ts';
import {
  type ExecOptions,
  type ExecResult,
  type PathRule,
  type SandboxDriver,
  SandboxRefusal,
} from '../sandbox.ts';
import { filesOf } from '../tree/files.ts';
import { openTree } from '../tree/open-tree.ts';
import { realNames } from '../tree/real-names.ts';
import { findGuarded, guardedIn } from './guarded.ts';
import { asMounted, script } from './inner.ts';
import { findProgram, probeBubblewrap } from './probe.ts';
import { signalName } from './signal-name.ts';
import { makeStandIns } from './stand-ins.ts';
import { isBelow, viewArguments } from './view.ts';
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

// Builds and tests of most projects need less; of what one command starts, all together.
const usualLimits: Limits = { memoryBytes: 4 * 2 ** 30, processes: 1000 };

export function createBubblewrap(needs: BubblewrapNeeds): SandboxDriver {
  const program = findProgram(needs.programs);
  return {
    mode,
    contains: { files: true, network: true, processes: true },
    reach: 'contains files, network and processes; disk and processor are the machine’s',
    probe: () => probeBubblewrap(program),
    open: ({ id, projectPath }) =>
      open(needs, program, { root: projectPath ?? join(needs.workFolder, id), make: projectPath === null }),
    ...groupHandles,
  };
}

async function open(
  needs: BubblewrapNeeds,
  program: string | undefined,
  { root, make }: { root: string; make: boolean },
): ReturnType<SandboxDriver['open']> {
  const { programs, variables, viewFolder, limits = usualLimits } = needs;
  const hidden = await Promise.all(needs.hidden.map((each) => realpath(each).catch(() => each)));
  const environment = { LANG: 'C.UTF-8', ...variables, PATH: programs, TERM: 'dumb' };
  const tree = await openTree(root, { make });
  const { real } = await tree.current();
  const [standIns, found] = [await makeStandIns(viewFolder), await findGuarded(real, hidden)];
  return {
    async forCall({ mayUse = () => undefined } = {}) {
      const at = await tree.current();
      return {
        root,
        async exec(options: ExecOptions): Promise<ExecResult> {
          if (program === undefined) throw new SandboxRefusal('bubblewrap is gone from this machine');
          const guarded = await guardedIn(at.real, found, hidden);
          const view = await viewArguments({ tree: at.real, programs, hidden, standIns, guarded });
          const checks = [
            ...[...guarded.parents, ...guarded.readOnly].map((path) => `=${asMounted(path)}`),
            ...guarded.covered.map((path) => `+${asMounted(path)}`),
          ];
          const within = [
            // On TERM bubblewrap would kill all in it at once. It ignores TERM, so the programs in it may clean up.
            ...['env', '--ignore-signal=TERM'],
            ...filtered([program, ...view], standIns.filter),
            ...['--', '/bin/sh', '-c', script, 'sh', asMounted(at.real), ...checks, '--'],
            ...processLimit(limits.processes),
            ...['env', '--default-signal=TERM'],
          ];
          // A git command that was allowed is contained like any other.
          const gitBounds = async (): Promise<Record<string, string>> => ({});
          const shell = findShell();
          const surroundings = { kind: mode, shell, directory: at.real, environment, gitBounds, within };
          return runWatched(surroundings, options, limits);
        },
        follow: (names) => realNames({ given: root, real: at.real, programs }, names),
        ...filesOf({ ...at, mayUse: withoutHidden(mayUse, at.real, hidden) }),
      };
    },
    close: () => tree.close(),
  };
}

async function runWatched(
  surroundings: Surroundings,
  options: ExecOptions,
  limits: Limits,
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
    if (!/^started$/m.test(report) && result.exitCode !== null)
      throw new SandboxRefusal('bubblewrap could not start the command; its output says why');
    return { ...asEnded(result), ...leftIn(report) };
  } finally {
    watching?.stop();
  }
}

/** bubblewrap tells of a signal as shells do: 128 and its number. */
function asEnded({ exitCode, signal }: ExecResult): ExecResult {
  const name = exitCode !== null && exitCode > 128 ? signalName(exitCode - 128) : undefined;
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

const mostNamed = 5;

function leftIn(report: string): Pick<ExecResult, 'note'> {
  const left = [...report.matchAll(/^left (\d+ .*)$/gm)].map(([, process = '']) => process.trim());
  if (left.length === 0) return {};
  const more = left.length > mostNamed ? ` and ${left.length - mostNamed} more` : '';
  return {
    note: `what it left running was ended with its shell: process ${left.slice(0, mostNamed).join(', ')}${more}; use background for what should go on`,
  };
}

/** Our own folders lie in no tool's reach either. */
function withoutHidden(mayUse: PathRule, tree: string, hidden: readonly string[]): PathRule {
  return (path, reach) => {
    const full = join(tree, path);
    return hidden.some((each) => each.startsWith(`${tree}/`) && isBelow(full, each))
      ? 'Perdure keeps its own data there'
      : mayUse(path, reach);
  };
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
