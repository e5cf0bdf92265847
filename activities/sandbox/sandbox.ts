// The port through which tools reach files and processes, and workers the sandboxes of their runs. `mount` (the host
// directory) implements it; every other kind passes the same list of tests.

import type { ContainerRef } from '../../workflows/contracts/container.ts';
import type { SandboxView } from '../../workflows/contracts/system.ts';

/**
 * What a command needs to be found and killed by any worker, stored as JSON before the command can act. Only the
 * driver of its kind reads more of it.
 */
export interface Handle {
  /** The mode of the driver that made it. */
  kind: string;
  [more: string]: unknown;
}

export interface ExecOptions {
  /** Given to `bash -c` (or `sh -c`) as one argument. */
  command: string;
  /**
   * It was allowed by its words as bash reads them. Refused where there is no bash; `git` in it works in the
   * repository the project belongs to, and runs nothing that a project's files name.
   */
  judged?: boolean;
  /** `run/call`: whose command it is. */
  key: string;
  signal: AbortSignal;
  /**
   * Called before the command can act: the caller stores it so that any worker can kill the command later. Called again
   * where what would have run it went away before that: the later handle stands for the command.
   */
  onStart(handle: Handle): Promise<void>;
  onOutput(from: 'stdout' | 'stderr', bytes: Buffer): void;
  /**
   * Lets what the shell has started go on after it. Called once, when the shell has ended and some of it still lives a
   * moment later: how the shell ended, and what goes on. Left out, all of it is ended with the shell.
   */
  onLeft?(result: ExecResult, processes: LeftProcess[]): void;
  /**
   * What of the network the command was granted: a kind that contains the network opens it and shows the command its
   * socket, for as long as it runs. `folder`: where a kind wants the socket to be, in place of a folder of the worker's.
   * Left out, it has none. A kind that contains no network has no use for it.
   */
  wayOut?: { socket(folder?: string): Promise<string> };
}

/**
 * For a command with a way out: what tells its programs of the proxy that is heard in its sandbox, where something
 * hands each connection on to the socket. Servers of the command's own are reached without it.
 */
export function proxyVariables(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  const java = ['http', 'https']
    .map((scheme) => `-D${scheme}.proxyHost=127.0.0.1 -D${scheme}.proxyPort=${port}`)
    .join(' ');
  return {
    ...{ HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url },
    ...{ NO_PROXY: 'localhost,127.0.0.1,::1', no_proxy: 'localhost,127.0.0.1,::1' },
    // Java and Node read no such names by themselves.
    ...{
      MAVEN_OPTS: java,
      GRADLE_OPTS: java,
      NODE_USE_ENV_PROXY: '1',
      YARN_HTTP_PROXY: url,
      YARN_HTTPS_PROXY: url,
    },
  };
}

export interface LeftProcess {
  /** As the command itself sees it. */
  pid: number;
  /** Its arguments joined by one space; empty when they cannot be read. */
  command: string;
}

export interface ExecResult {
  /** Null when a signal ended it. Both are null when it is not known how it ended: `note` says why. */
  exitCode: number | null;
  signal: string | null;
  /** What the sandbox did to it, in words that go on after its ending: a limit it met, what was ended with it. */
  note?: string;
}

export interface SearchOptions {
  /** A regular expression of ripgrep. */
  pattern: string;
  /** A file, or a directory to search in. */
  path: string;
  signal: AbortSignal;
  /** The search ends early when this many lines were found. */
  maxLines: number;
  /** Files that ignore files name and dependency folders, too. */
  everything?: boolean;
}

/**
 * What package managers and their kin fill: most of the files and none of the project's own. Searches enter them only
 * when told to, whether or not an ignore file names them. `vendor`, `target` and `build` may be a project's own.
 */
export const dependencyFolders = [
  'node_modules',
  'bower_components',
  'jspm_packages',
  '.pnpm-store',
  '.yarn',
  '.venv',
  'venv',
  'site-packages',
  '__pycache__',
  '.tox',
  '.nox',
  '.eggs',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '.gradle',
  '.terraform',
  '.bundle',
  '.dart_tool',
  'elm-stuff',
];

/** The text of a `.gitignore` or its like. */
export interface IgnoreFile {
  /** In the order of their weight: a later one outranks an earlier one. */
  kind: 'exclude' | 'gitignore' | 'ignore';
  text: string;
  /** The asked directory as seen from the one that the patterns count from; empty when that is the same. */
  below: string;
}

export interface SearchResult {
  /** Of a long line the text around its first match, with `…` where something is left out. */
  lines: { path: string; line: number; text: string }[];
  /** More lines match than were asked for. */
  truncated: boolean;
}

export interface FileStat {
  kind: 'file' | 'directory' | 'symlink' | 'other';
  size: number;
  /** Its owner may run it. */
  isExecutable: boolean;
}

/** Words of a command that may be names, its programs among them, and the folders it goes to. */
export interface NamesToFollow {
  names: readonly string[];
  programs: readonly string[];
  folders: readonly string[];
}

/** A path the sandbox refuses (outside, a device, too large); the message is for the model. */
export class SandboxRefusal extends Error {
  override name = 'SandboxRefusal';
}

/** Policy does not let this call use what a path leads to. */
export class PathDenied extends SandboxRefusal {
  override name = 'PathDenied';
}

/**
 * Why a path must not be used, or undefined; asked of real paths, relative to the root, at the moment of use. `below`
 * is what a listing or a search comes upon: left out when there is a reason.
 */
export type PathRule = (path: string, reach: 'itself' | 'below') => string | undefined;

/**
 * A run's sandbox as one call may use it. Paths are relative to the root; absolute ones are accepted when they lie
 * inside it, or in a project beside it. Never leaves these.
 */
export interface Sandbox {
  /** The root as people know it. */
  root: string;
  /** Other projects, whose files are read under their own absolute paths. Nothing is written there. */
  beside: readonly string[];
  /**
   * Runs a command and waits until nothing of it is left, whatever ends it. Aborting kills it with all it started
   * (TERM, then KILL after two seconds at most) and rejects with the signal's reason. What is left to go on by `onLeft` is waited
   * for as well.
   */
  exec(options: ExecOptions): Promise<ExecResult>;
  /**
   * Those of a command's names that lead elsewhere than they say, each with its real paths as policy knows paths: one for
   * each folder in which it is something else. Refuses more names than it looks up.
   */
  follow(names: NamesToFollow): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Refuses what is not a regular file or is over `maxBytes`. Undefined when there is no such file. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /**
   * Replaces the file atomically, making parent directories. It keeps the mode of an existing file, save that
   * `isExecutable` says whether those who may read it may run it.
   */
  write(path: string, bytes: Buffer, isExecutable?: boolean): Promise<void>;
  remove(path: string): Promise<void>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Where a path leads once links are followed, relative to the root, whether or not anything is there. */
  resolve(path: string): Promise<string>;
  list(path: string): Promise<{ name: string; kind: FileStat['kind'] }[]>;
  /**
   * The ignore files of a directory; of the root also those of the repository around it, outermost first. They say what
   * is looked at, so they may be read whatever the call may use.
   */
  ignoreFiles(path: string): Promise<IgnoreFile[]>;
  /** Lines that match, by path and line; symlinks are not followed. Refuses what is no regular expression. */
  search(options: SearchOptions): Promise<SearchResult>;
}

/** The files of a directory, in a sandbox or outside of any. */
export type Files = Pick<Sandbox, 'read' | 'write' | 'stat' | 'list' | 'resolve'>;

/** A run's sandbox, open in this worker. */
export interface OpenSandbox {
  /** `mayUse`: what of the files the call may use, all of them when left out. Commands are not held to it. */
  forCall(call?: { mayUse?: PathRule }): Promise<Sandbox>;
  /** Lets go of it. A run that goes on finds it again by `open`, in this worker or another, with the same files. */
  close(run: 'goes-on' | 'ended'): Promise<void>;
}

/** What workers do about commands of which they have nothing but the handle. */
export interface Handles {
  /**
   * Kills what a handle names and returns once it is seen gone; a stranger that has its number since is never hit.
   * `elsewhere`: it cannot be reached from here, nor seen to be gone.
   */
  kill(handle: Handle): Promise<'gone' | 'elsewhere'>;
  /** False also of what is elsewhere. */
  isAlive(handle: Handle): Promise<boolean>;
  /** Ends all that workers of this machine which are dead have left, on record or not; the handles are their record. */
  sweep(handles: readonly Handle[]): Promise<void>;
}

/** What of a run its sandbox is made from. */
export interface SandboxRun {
  id: string;
  tenantId: string;
  /** Null: a folder of its own. */
  projectPath: string | null;
  /** The real paths of projects that it shows to be read; where it contains files, nothing can be written there. */
  beside?: readonly string[] | undefined;
  /** What its commands find in their environment beside the usual. */
  variables?: Readonly<Record<string, string>> | undefined;
  /** The mode of its driver. */
  mode: string;
  /** In the mode `container`: whose it is, and where commands start in it. */
  container?: ContainerRef | null | undefined;
}

/** Whether a kind can be used on this machine now; `lacks`: what it goes without here, each a sentence for people. */
export type Usable = { ok: true; lacks?: readonly string[] } | { ok: false; why: string; how: string };

export interface KeptOfRuns {
  /** The runs of which there is something. */
  runIds(): Promise<string[]>;
  /** Of a run that has ended. */
  remove(runId: string): Promise<void>;
}

/** One kind of sandbox. */
export interface SandboxDriver extends Handles, Omit<SandboxView, 'problem'> {
  /** What a command in it is kept from reaching outside: where it is false, approvals are advisory. */
  contains: { files: boolean; network: boolean; processes: boolean };
  /**
   * Tries it, for a run where one is given. An engine has a second to answer, a program of this machine ten to start.
   * `why` and `how` are whole sentences for people: what is missing, and how to get it.
   */
  probe(run?: Pick<SandboxRun, 'projectPath' | 'container'>): Promise<Usable>;
  open(run: Omit<SandboxRun, 'mode'>): Promise<OpenSandbox>;
  /** What it keeps of runs beside their files, whichever worker made it; left out where that is nothing. */
  kept?: KeptOfRuns;
}
