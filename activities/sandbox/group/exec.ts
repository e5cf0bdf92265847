// Runs one shell command as a process group of its own. The command cannot act before its group is recorded, and
// this returns only when nothing of the group is left.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPipes, type Pipes } from './pipes.ts';
import { SandboxRefusal, type ExecOptions, type ExecResult } from '../sandbox.ts';
import { type GroupHandle, toHandle } from './handles.ts';
import {
  endGroup,
  groupIsAlive,
  groupOf,
  isThere,
  killGroup,
  marksFor,
  type ProcessGroup,
  processesOf,
} from './process-group.ts';
import { commandOf } from '../../host/process-table.ts';

// Where the machine runs out of memory, a command goes before what people use, as a container does.
const goesFirst = '{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null';
// Waits for a line before it turns into the command. When the worker dies first, the descriptor closes without one
// and the command never runs.
const waitForGo = `${goesFirst}; read -r go <&3 || exit 125; exec 3<&-; exec "$@"`;
// The same for a program that contains the command: it may write to the descriptor what we should know.
const waitWithin = `${goesFirst}; read -r go <&3 || exit 125; exec "$@"`;
// What a program gets to clean up after itself before it is killed.
const graceMs = 2000;
// Filters at the end of a pipeline may live a moment longer than the shell; what lives longer was left behind.
const lingerMs = 250;
// Between looks at processes left to go on: short enough for a caller that waits for their end; a look takes some ms.
const lookMs = 500;
// Without a writer the pipes end at once; a process that hides from us and keeps one open must not hold the call.
const drainMs = 500;

// In a judged text the name of a program has no quotes.
const namesGit = /(?<![\w.-])git(?![\w.-])/;

export interface Surroundings {
  /** The mode of the sandbox it runs in. */
  kind: string;
  shell: string;
  directory: string;
  environment: Record<string, string>;
  /** What is added to the environment of a bash so that `git` in it is held to the repository of a directory. */
  gitBounds: GitBounds;
  /** A program that contains the shell, with its arguments: the shell's own follow. */
  within?: readonly string[];
  /** What that program finds on descriptor 3, to its end. */
  input?: string;
  /** Told what that program writes to descriptor 3, before the command's end is. */
  onReport?(text: string): void;
}

/** Given the real path of a directory. */
export type GitBounds = (directory: string) => Promise<Record<string, string>>;

export async function runCommand(given: Surroundings, options: ExecOptions): Promise<ExecResult> {
  options.signal.throwIfAborted();
  const surroundings = options.judged === true ? await forJudged(given, options.command) : given;
  const token = randomBytes(8).toString('hex');
  const pipes = await openPipes();
  const drained = Promise.all([
    drain(pipes.stdout.reader, (bytes) => options.onOutput('stdout', bytes)),
    drain(pipes.stderr.reader, (bytes) => options.onOutput('stderr', bytes)),
  ]);
  try {
    const child = startWaiting(surroundings, options, token, pipes);
    const exited = exitOf(child);
    // The wrapper may be killed before it reads its line; its exit tells.
    const reports = child.stdio[3] as Socket;
    reports.on('error', () => {});
    const reported = given.onReport && reportsOf(reports, given.onReport);
    await Promise.all([
      spawned(child, surroundings),
      pipes.stdout.writer.close(),
      pipes.stderr.writer.close(),
    ]);
    const group = groupOf(child.pid as number, token);
    const handle = toHandle(surroundings.kind, group, options.key);
    const result = await superviseCommand(child, handle, exited, options, given.input);
    if (reported) await Promise.race([reported, sleep(drainMs, undefined, { ref: false })]);
    return result;
  } finally {
    // Still open where nothing was started.
    await Promise.all([pipes.stdout.writer.close(), pipes.stderr.writer.close()]);
    await Promise.race([drained, sleep(drainMs, undefined, { ref: false })]);
    pipes.stdout.reader.destroy();
    pipes.stderr.reader.destroy();
  }
}

async function forJudged(surroundings: Surroundings, command: string): Promise<Surroundings> {
  const { shell, directory, environment, gitBounds } = surroundings;
  if (basename(shell) !== 'bash') {
    throw new SandboxRefusal(
      'the command was allowed as bash reads it, and this machine has no bash; a person has to install it',
    );
  }
  if (!namesGit.test(command)) return surroundings;
  return { ...surroundings, environment: { ...environment, ...(await gitBounds(directory)) } };
}

async function superviseCommand(
  child: ChildProcess,
  group: GroupHandle,
  exited: Promise<ExecResult>,
  options: ExecOptions,
  input = '',
): Promise<ExecResult> {
  try {
    await options.onStart(group);
    options.signal.throwIfAborted();
  } catch (error) {
    await killGroup(group);
    await exited;
    throw error;
  }
  (child.stdio[3] as Socket).end(`go\n${input}`);
  const aborted = abortOf(options.signal);
  try {
    await Promise.race([exited, aborted.promise]);
    if (!options.signal.aborted) {
      const result = await exited;
      if (await isGoneSoon(group)) return result;
      if (options.onLeft === undefined) {
        await endGroup(group, graceMs);
        return result;
      }
      await waitForLeft(group, result, options.onLeft, aborted.promise, options.signal);
      if (!options.signal.aborted) return result;
    }
    await endGroup(group, graceMs);
    await exited;
    throw options.signal.reason;
  } finally {
    aborted.dispose();
  }
}

async function isGoneSoon(group: ProcessGroup): Promise<boolean> {
  const until = performance.now() + lingerMs;
  while (groupIsAlive(group)) {
    if (performance.now() > until) return false;
    await sleep(10);
  }
  return true;
}

/** Until the last of them has ended, or the signal says that it is enough. */
async function waitForLeft(
  group: ProcessGroup,
  result: ExecResult,
  onLeft: NonNullable<ExecOptions['onLeft']>,
  aborted: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let known = processesOf(group);
  if (known.length === 0 || signal.aborted) return;
  onLeft(
    result,
    known.map(({ pid }) => ({ pid, command: commandOf(pid) })),
  );
  while (known.length > 0 && !signal.aborted) {
    await Promise.race([sleep(lookMs, undefined, { ref: false }), aborted]);
    // One that is known to live is found at once; only without any is the whole table read.
    if (!known.some(isThere)) known = processesOf(group);
  }
}

function startWaiting(
  surroundings: Surroundings,
  options: ExecOptions,
  token: string,
  pipes: Pipes,
): ChildProcess {
  try {
    const { within, shell } = surroundings;
    const wait = within === undefined ? waitForGo : waitWithin;
    return spawn('/bin/sh', ['-c', wait, 'sh', ...(within ?? []), shell, '-c', '--', options.command], {
      cwd: surroundings.directory,
      env: { ...surroundings.environment, ...marksFor(token, options.key) },
      detached: true,
      stdio: ['ignore', pipes.stdout.writer.fd, pipes.stderr.writer.fd, 'pipe'],
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'E2BIG') throw error;
    throw new SandboxRefusal('the command is too long; write it to a file and run that');
  }
}

async function spawned(child: ChildProcess, surroundings: Surroundings): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw new SandboxRefusal(`the project directory ${surroundings.directory} is gone`);
    throw error;
  }
}

function exitOf(child: ChildProcess): Promise<ExecResult> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** Resolves when there is no more; a program that was killed may leave the descriptor broken. */
async function reportsOf(reports: Socket, onReport: (text: string) => void): Promise<void> {
  await drain(reports, (bytes) => onReport(bytes.toString())).catch(() => undefined);
}

async function drain(reader: Socket, onBytes: (bytes: Buffer) => void): Promise<void> {
  reader.on('data', onBytes);
  await once(reader, 'close');
}

function abortOf(signal: AbortSignal): { promise: Promise<void>; dispose(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = (): void => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) resolve();
  return { promise, dispose: () => signal.removeEventListener('abort', onAbort) };
}
