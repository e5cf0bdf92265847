// The port every tool implements. A tool declares what it does (effect, subject, repeat); policy and claims
// decide from that and know no tool. It never hears of Temporal.
import type { z } from 'zod';
import type { Effect, Repeat, SubjectKind } from '../../workflows/contracts/call.ts';
import type { Delegates } from '../../workflows/contracts/delegation.ts';
import type { Files, Handle, Sandbox } from '../sandbox/sandbox.ts';

/** What a model is told of a tool. */
export interface ToolSpec {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  inputSchema: Record<string, unknown>;
}

/** Expected failure is a value whose text the model can act on; a throw is a bug. */
export interface ToolResult {
  ok: boolean;
  output: string;
  /** Policy denied what it turned out to reach. */
  denied?: true;
  /** It acted, and how far it came is not known. */
  unknown?: true;
}

export interface ToolContext {
  runId: string;
  callId: string;
  /** `run/call`: passed on by tools that are `keyed`. */
  key: string;
  /** What runs in place of the subject: the text that was judged, when it is not trusted as it is. */
  runs?: string;
  sandbox: Sandbox;
  /** Aborted on interrupt, cancel, timeout and shutdown; the tool stops what it started and throws the reason. */
  signal: AbortSignal;
  /** Passed to the sandbox as `onStart`: stores the handle with the claim before its command can act. */
  recordHandle(handle: Handle): Promise<void>;
  /**
   * Notes with the claim what is about to be done (hashes before and after, say), for the tool's own probe. Small: it
   * is stored as JSON. Called right before acting: what is noted must be what is done.
   */
  noteIntent(intent: Record<string, string>): Promise<void>;
  /** The whole of an output that this conversation was given cut, by the key it was told; undefined of any other. */
  wholeOutput(key: string): Promise<string | undefined>;
  /** How far a subagent of this run has come, in words; undefined when there is none of that name. */
  peek(name: string): Promise<string | undefined>;
  /** The text of a skill; undefined when there is none of that name. */
  skill(name: string): Promise<string | undefined>;
  memory: {
    /** Keeps a text for later runs of the conversation; `problem` says why it cannot. */
    keep(text: string): Promise<{ id: string } | { problem: string }>;
    /** Takes back what was kept for the conversation, by its id in what was recalled. */
    forget(id: string): Promise<boolean>;
    /** The best matches of these words, or the newest of all. */
    find(words: string | undefined): Promise<{ id: string; text: string; scope: string }[]>;
  };
  /** Live output for people; the result still carries the whole. */
  output(from: 'stdout' | 'stderr', text: string): void;
}

export interface FileChange {
  path: string;
  /** Undefined: there is no such file. */
  before: Buffer | undefined;
  /** Undefined: the file is removed. */
  after: Buffer | undefined;
  /** Undefined: as it is. */
  isExecutable?: boolean | undefined;
}

export type Plan = { changes: FileChange[]; summary: string } | { problem: string };

/** What an interrupted earlier attempt did, as far as the tool can find out. `not_done`: acting now is safe. */
export type Probe = 'done' | 'not_done' | 'unknown';

export interface Tool<Input = unknown> {
  name: string;
  description: string;
  input: z.ZodType<Input>;
  effect: Effect;
  repeat: Repeat;
  /**
   * The path, command or host policy matches; empty is denied. Paths as given: policy normalises them. Several are
   * joined by line ends.
   */
  subject(input: Input): string;
  /** When the effect does not say what the subject is. `run` is for what reaches nothing outside of the run. */
  subjectKind?: SubjectKind;
  /** What it reaches in the network beside its subject: hosts, with or without a port. */
  hosts?(input: Input): readonly string[];
  /** The run ends after the step in which such a call succeeds; its output is the last word of the run. */
  endsRun?: true;
  /**
   * Whether a success counts as progress. Said only where the effect does not tell: a write or a command does,
   * reading and fetching do not.
   */
  progress?: boolean;
  /** How long one call may take, in seconds, from its input. */
  timeoutSeconds(input: Input): number;
  /** For tools that have subagents work: the store does what they are for, and `run` is not called. */
  delegates?: Delegates;
  /** For tools that only ask: what a person is asked. The answer is the result, and `run` is not called. */
  asks?(input: Input): { text: string; choices: string[] };
  /** For tools that note an intent: compares the world with it. Such a tool acts only after it has noted one. */
  probe?(input: Input, intent: Record<string, string>, context: ToolContext): Promise<Probe>;
  /** For tools that change files: what they would change in the files as they are now. Changes nothing. */
  plan?(input: Input, files: Files): Promise<Plan>;
  run(input: Input, context: ToolContext): Promise<ToolResult>;
}

/** Keeps the input type of a tool while it is written; the list of tools forgets it. */
export function defineTool<Input>(tool: Tool<Input>): Tool {
  return tool as unknown as Tool;
}
