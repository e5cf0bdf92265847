// The parts of a call that are decided one by one: each path of a patch, each command of a chain, the host.
import type { Effect, SubjectKind } from '../contracts/call.ts';
import { type SimpleCommand, splitCommand } from './command.ts';
import { writtenNames } from './command-names.ts';
import { toKnownWord } from './command-word.ts';
import { normalizeHost, readHostAndPort } from './host.ts';
import { normalizePath } from './path.ts';

export interface PolicyCall {
  tool: string;
  effect: Effect;
  /** What the tool names: a path, several joined by line ends, a command, or a host. */
  subject: string;
  /** What the subject is; absent, it follows from the effect. */
  subjectKind?: SubjectKind | undefined;
  /** Hosts, with or without a port, that the call reaches beside its subject. */
  hosts?: readonly string[] | undefined;
  /** Names in a command, each with the real paths to which links lead from it. Known only at the moment of use. */
  leadsTo?: ReadonlyMap<string, readonly string[]>;
}

export type Part =
  | { kind: 'path'; text: string; path: string }
  | {
      kind: 'command';
      text: string;
      command: SimpleCommand;
      root: string | null;
      beside: readonly string[];
      runs: string | undefined;
    }
  /** `beside`: it is reached by a call with another subject. */
  | { kind: 'host'; text: string; host: string; beside: boolean }
  | { kind: 'run'; text: string };

/** Why a call is denied before any rule is asked. */
export interface SubjectProblem {
  what: string;
  reason: string;
}

const kindOfEffect: Record<Effect, SubjectKind> = {
  read: 'path',
  write: 'path',
  execute: 'command',
  network: 'host',
};

/** `beside`: other projects that the call may read in, and no more. */
export function splitSubject(
  call: PolicyCall,
  root: string | null,
  beside: readonly string[] = [],
): Part[] | SubjectProblem {
  const parts = splitOwn(call, root, beside);
  const hosts = 'what' in parts ? [] : splitHosts(call.hosts ?? []);
  if ('what' in parts) return parts;
  return 'what' in hosts ? hosts : [...parts, ...hosts];
}

function splitOwn(call: PolicyCall, root: string | null, beside: readonly string[]): Part[] | SubjectProblem {
  const { subject } = call;
  // It could match any rule by silence, so it matches none.
  if (subject.trim() === '')
    return { what: 'empty subject', reason: `${call.tool} names nothing it would act on` };
  switch (call.subjectKind ?? kindOfEffect[call.effect]) {
    case 'path':
      return splitPaths(call, root, beside);
    case 'command':
      return splitParts(call, root, beside);
    case 'host': {
      const host = normalizeHost(subject);
      return host === undefined ? noHost(subject) : [{ kind: 'host', text: subject, host, beside: false }];
    }
    case 'run':
      return [{ kind: 'run', text: subject }];
  }
}

function splitHosts(names: readonly string[]): Part[] | SubjectProblem {
  const parts: Part[] = [];
  for (const text of names) {
    const read = readHostAndPort(text);
    if (read === undefined) return noHost(text);
    parts.push({ kind: 'host', text, host: read.host, beside: true });
  }
  return parts;
}

function noHost(text: string): SubjectProblem {
  return { what: 'unusable host', reason: `${JSON.stringify(text.slice(0, 200))} is no host` };
}

// Each is held against every rule; a large change to a project touches a tenth of this.
const mostPaths = 1000;

function splitPaths(
  { subject, effect }: PolicyCall,
  root: string | null,
  beside: readonly string[],
): Part[] | SubjectProblem {
  const parts: Part[] = [];
  const paths = subject.split('\n');
  if (paths.length > mostPaths) {
    return {
      what: 'too many paths',
      reason: `it names more than ${mostPaths} paths; do it in several calls`,
    };
  }
  for (const text of paths) {
    const normal = normalizePath(text, root, beside);
    if (normal.kind === 'unusable') return { what: 'unusable path', reason: normal.problem };
    if (normal.kind === 'outside') {
      return {
        what: 'outside the project',
        reason: `${text.slice(0, 200)} leads outside the project directory; use a path inside it`,
      };
    }
    if (normal.beside !== undefined && effect !== 'read') {
      const reason = `${text.slice(0, 200)} lies in ${normal.beside}, which this run only reads; write in its own project`;
      return { what: 'a project to read only', reason };
    }
    parts.push({ kind: 'path', text, path: normal.path });
  }
  return parts;
}

function splitParts(
  { subject, leadsTo }: PolicyCall,
  root: string | null,
  beside: readonly string[],
): Part[] | SubjectProblem {
  if (subject.includes('\0'))
    return { what: 'unusable command', reason: 'the command holds a NUL character' };
  const { commands, runs } = splitCommand(subject);
  if (commands.every(({ inner }) => inner)) {
    return { what: 'empty subject', reason: 'the command runs nothing' };
  }
  const seen = leadsTo === undefined ? commands : commands.flatMap((each) => followed(each, leadsTo));
  return seen.map((command) => ({ kind: 'command', text: command.text, command, root, beside, runs }));
}

/** With the real names beside those that are written, and the program by its real name once more, to be forbidden. */
function followed(command: SimpleCommand, leadsTo: ReadonlyMap<string, readonly string[]>): SimpleCommand[] {
  const real = writtenNames(command).flatMap((name) => leadsTo.get(name) ?? []);
  if (real.length === 0) return [command];
  const [program, ...args] = command.words;
  const reads = writtenNames({ ...command, words: args }).flatMap((name) => leadsTo.get(name) ?? []);
  const programs = leadsTo.get(program?.text ?? '') ?? [];
  return [
    {
      ...command,
      files: [...command.files, ...real.map(toKnownWord)],
      reads: [...command.files, ...reads.map(toKnownWord)],
    },
    ...programs.map((each): SimpleCommand => {
      return { ...command, words: [toKnownWord(each), ...args], inner: true, tail: true };
    }),
  ];
}
