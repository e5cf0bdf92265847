// The port through which tools reach files and processes, and workers the sandboxes of their runs. `mount` (the host
// directory) implements it; every other kind passes the same list of tests.

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
  /** Called once, before the command can act: the caller stores it so that any worker can kill the command later. */
  onStart(handle: Handle): Promise<void>;
  onOutput(from: 'stdout' | 'stderr', bytes: Buffer): void;
}

export interface ExecResult {
  /** Null when a signal ended it. */
  exitCode: number | null;
  signal: string | null;
}

export interface SearchOptions {
  /** A regular expression of ripgrep. */
  pattern: string;
  /** A file, or a directory to search in. */
  path: string;
  signal: AbortSignal;
  /** The search ends early when this many lines were found. */
  maxLines: number;
}

export interface SearchResult {
  lines: { path: string; line: number; text: string }[];
  /** More lines match than were asked for. */
  truncated: boolean;
}

export interface FileStat {
  kind: 'file' | 'directory' | 'symlink' | 'other';
  size: number;
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
 * inside it. Never leaves the root.
 */
export interface Sandbox {
  /** The root as people know it. */
  root: string;
  /**
   * Runs a command and waits until nothing of it is left, whatever ends it. Aborting kills it with all it started
   * (TERM, then KILL after two seconds) and rejects with the signal's reason.
   */
  exec(options: ExecOptions): Promise<ExecResult>;
  /**
   * Those of a command's names that lead elsewhere than they say, each with its real paths as policy knows paths: one for
   * each folder in which it is something else. Refuses more names than it looks up.
   */
  follow(names: NamesToFollow): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Refuses what is not a regular file or is over `maxBytes`. Undefined when there is no such file. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Replaces the file atomically, making parent directories; keeps the mode of an existing file. */
  write(path: string, bytes: Buffer): Promise<void>;
  remove(path: string): Promise<void>;
  stat(path: string): Promise<FileStat | undefined>;
  list(path: string): Promise<{ name: string; kind: FileStat['kind'] }[]>;
  /** Lines that match, by path and line; symlinks are not followed. Refuses what is no regular expression. */
  search(options: SearchOptions): Promise<SearchResult>;
}

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

/** One kind of sandbox. */
export interface SandboxDriver extends Handles, SandboxView {
  /** What a command in it is kept from reaching outside: where it is false, approvals are advisory. */
  contains: { files: boolean; network: boolean; processes: boolean };
  open(run: { id: string; projectPath: string | null }): Promise<OpenSandbox>;
}
