// Runs git on this machine so that nothing a project holds is run or obeyed: no configuration but our own, no
// hooks, no drivers, no prompts. Arguments never pass through a shell.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { addAbortListener, once } from 'node:events';

/** Git could not do what was asked of it; the message is for people. */
export class GitProblem extends Error {
  /** As an error of the file system has it, where a full disk is all that was wrong. */
  readonly code: 'ENOSPC' | undefined;

  constructor(message: string) {
    super(message);
    this.name = 'GitProblem';
    // Our own environment has git speak the C locale.
    this.code = /No space left on device|Disk quota exceeded/.test(message) ? 'ENOSPC' : undefined;
  }
}

/** A pipe stands in the project where git reads a file: it would wait for what is never written. */
export class PipeInTheWay extends GitProblem {}

export interface GitCall {
  /** The host-owned git directory. */
  gitFolder: string;
  /** Whose configuration it may read, when it is asked for that. */
  home?: string;
  workTree?: string;
  /** Where in the work tree it stands; its top when left out. */
  directory?: string;
  /** A file of ours with rules of what is ignored. */
  excludesFile?: string | undefined;
  indexFile?: string;
  /** Of git, such as `core.bigFileThreshold=1`, for this call alone. */
  settings?: string[];
  args: string[];
  /** For the few commands that refuse to take names literally; theirs must not begin with a colon. */
  notLiteral?: true;
  /** Exit codes beside 0 that are an answer. */
  accepts?: number[];
  input?: string | Buffer;
  /** Output beyond this is not kept: the command is ended and the result says so. */
  maxBytes?: number;
}

export interface GitResult {
  output: Buffer;
  truncated: boolean;
  /** What it complained of, cut. */
  said: string;
}

// Over a tree of hundreds of thousands of files; a network disk that hangs must not hold the run for good.
const callMs = 300_000;
// Most calls are long over by then; the look takes as long as a list of all names.
const pipeMs = 5000;
// A list of the names of a million files.
const defaultMaxBytes = 256 * 1024 * 1024;
const maxErrorBytes = 4000;

// Not the PATH of the worker: a project must not be able to put its own git in front.
export const programs =
  '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/opt/local/bin:/run/current-system/sw/bin';

/** No configuration of the machine's, of a user's, and no questions. */
export const nothingElse = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
};

const environment = {
  ...nothingElse,
  PATH: programs,
  HOME: '/nonexistent',
  XDG_CONFIG_HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_LITERAL_PATHSPECS: '1',
};

/** Outranks any file: what a repository's settings could run by themselves. */
export const nothingRuns = [
  'core.hooksPath=/dev/null',
  // Names as people write them; what would end a line or a quote is still escaped.
  'core.quotePath=false',
  'core.fsmonitor=false',
  'protocol.allow=never',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
];

const settings = [
  ...nothingRuns,
  'core.untrackedCache=false',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.autocrlf=false',
  'core.symlinks=true',
  'core.fileMode=true',
  // These refuse names that only trouble other systems; here they are files like any other.
  'core.protectNTFS=false',
  'core.protectHFS=false',
  'protocol.file.allow=never',
  'diff.ignoreSubmodules=all',
].flatMap((setting) => ['-c', setting]);

export async function runGit(call: GitCall): Promise<GitResult> {
  // Git also looks around where it stands: without a work tree that is outside any project.
  const directory = call.directory ?? call.workTree ?? '/';
  const excludes = call.excludesFile === undefined ? [] : ['-c', `core.excludesFile=${call.excludesFile}`];
  const more = (call.settings ?? []).flatMap((setting) => ['-c', setting]);
  const child = spawn(
    'git',
    [...settings, ...excludes, ...more, `--git-dir=${call.gitFolder}`, ...workTreeOf(call), ...call.args],
    {
      cwd: directory,
      env: environmentOf(call),
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const timeUp = AbortSignal.timeout(callMs);
  using _stop = addAbortListener(timeUp, () => child.kill('SIGKILL'));
  let pipe = '';
  const looking = setTimeout(() => {
    findPipe(call.workTree, (path) => {
      pipe = path;
      child.kill('SIGKILL');
    });
  }, pipeMs);
  const { maxBytes = defaultMaxBytes } = call;
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    if (size <= maxBytes) chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) child.kill('SIGKILL');
  });
  let problem = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (problem.length < maxErrorBytes) problem += chunk.toString('utf8');
  });
  // Git may end before it has read everything; its exit code tells why.
  child.stdin.on('error', () => {});
  child.stdin.end(call.input ?? '');
  const [exitCode] = await ended(child, directory).finally(() => clearTimeout(looking));
  if (pipe !== '')
    throw new PipeInTheWay(`${pipe} is a pipe, which git would wait for without an end; remove it`);
  if (timeUp.aborted)
    throw new GitProblem(`git ${call.args[0]} took longer than five minutes and was stopped`);
  const truncated = size > maxBytes;
  if (exitCode !== 0 && !truncated && !call.accepts?.includes(exitCode ?? -1)) {
    throw new GitProblem(`git ${call.args[0]} failed: ${problem.slice(0, maxErrorBytes).trim()}`);
  }
  return { output: Buffer.concat(chunks).subarray(0, maxBytes), truncated, said: problem };
}

function findPipe(workTree: string | undefined, found: (path: string) => void): void {
  if (workTree === undefined) return;
  const named = ['-name', '.git', '-prune', '-o', '-type', 'p', '-name', '.git*', '-print', '-quit'];
  execFile('find', [workTree, ...named], { env: environment, timeout: callMs }, (_error, output) => {
    if (output !== '') found(output.trimEnd());
  });
}

function environmentOf({ indexFile, notLiteral, home }: GitCall): Record<string, string> {
  if (home !== undefined) return { PATH: programs, HOME: home, LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1' };
  return {
    ...environment,
    ...(indexFile !== undefined && { GIT_INDEX_FILE: indexFile }),
    ...(notLiteral && { GIT_LITERAL_PATHSPECS: '0' }),
  };
}

function workTreeOf(call: GitCall): string[] {
  return call.workTree === undefined ? [] : [`--work-tree=${call.workTree}`];
}

async function ended(child: ReturnType<typeof spawn>, directory: string): Promise<[number | null]> {
  try {
    return (await once(child, 'close')) as [number | null];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // The same code stands for a missing program and a missing directory.
    if (!existsSync(directory)) throw new GitProblem(`the directory ${directory} is gone`);
    throw new GitProblem(
      'git is not installed on the machine of the worker; install it to record what runs change',
    );
  }
}
