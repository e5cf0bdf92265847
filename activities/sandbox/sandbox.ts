// The port through which tools reach files and processes. `mount` (the host directory) implements it today;
// the container and the hybrid join it behind the same compliance list.

/** A process group this host runs for a call: enough to find it again and never to hit a stranger. */
export interface ProcessGroup {
  pgid: number;
  /** Names the group's leader for good (boot, start time, mark): process ids are reused, this is not. Opaque. */
  startedTicks: string;
}

export interface ExecOptions {
  /** Given to `bash -c` (or `sh -c`) as one argument. */
  command: string;
  /** `run/call`: marks every process of the command, so that one which leaves its group is still found. */
  key: string;
  signal: AbortSignal;
  /** Called once, before the command can act: the caller stores it so that anybody can kill the group later. */
  onStart(group: ProcessGroup): Promise<void>;
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

/** Paths are relative to the root; absolute ones are accepted when they lie inside it. Never leaves the root. */
export interface Sandbox {
  mode: 'mount';
  /** The root as people know it. */
  root: string;
  /**
   * Runs a command and waits for its whole process group to be gone, whatever ends it. Aborting kills the
   * group (TERM, then KILL after two seconds) and rejects with the signal's reason.
   */
  exec(options: ExecOptions): Promise<ExecResult>;
  /** Refuses what is not a regular file or is over `maxBytes`. Undefined when there is no such file. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Replaces the file atomically, making parent directories; keeps the mode of an existing file. */
  write(path: string, bytes: Buffer): Promise<void>;
  remove(path: string): Promise<void>;
  stat(path: string): Promise<FileStat | undefined>;
  list(path: string): Promise<{ name: string; kind: FileStat['kind'] }[]>;
  /** Lines that match, by path and line; symlinks are not followed. Refuses what is no regular expression. */
  search(options: SearchOptions): Promise<SearchResult>;
  close(): Promise<void>;
}
