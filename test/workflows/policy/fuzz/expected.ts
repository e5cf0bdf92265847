// What a plain command should run, told from its tree alone: an own small shell without a disk. Where it would have to
// know more (a folder, the time, what a program printed) it says that it is not sure.
import type {
  Chain,
  List,
  Pipeline,
  PlainCommand,
  PlainWord,
  Redirect,
} from '../../../../workflows/policy/plain-syntax.ts';
import { programs } from './texts.ts';

export interface Expected {
  /** Program and arguments of all that runs, in this order. */
  runs: string[][];
  /** Some of it runs beside each other. */
  unordered: boolean;
}

class Unsure extends Error {}
class Exit extends Error {
  readonly status: number;
  constructor(status: number) {
    super();
    this.status = status;
  }
}

interface Shell {
  values: Map<string, string>;
  status: number;
  printed: string;
  /** What it prints goes to a program that may have ended, which would end it too. */
  piped: boolean;
  expected: Expected;
  /** Left to do; a loop without an end uses it up. */
  fuel: { left: number };
}

// As long as anything that is worth running.
const fuel = 300;
export const home = '/nohome';
/** What lies in the folder where the shells run; a glob could only be one of these or itself. */
export const files: readonly string[] = ['a.ts', 'b.ts'];

/** Undefined where it cannot be told. */
export function expectedOf(list: List): Expected | undefined {
  const expected: Expected = { runs: [], unordered: false };
  const shell: Shell = {
    values: new Map(),
    status: 0,
    printed: '',
    piped: false,
    expected,
    fuel: { left: fuel },
  };
  try {
    inSubshell(shell, (sub) => runList(sub, list));
    return expected;
  } catch (error) {
    if (error instanceof Unsure) return undefined;
    throw error;
  }
}

function inSubshell(shell: Shell, run: (sub: Shell) => void): Shell {
  const sub: Shell = { ...shell, values: new Map(shell.values), printed: '' };
  try {
    run(sub);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    sub.status = error.status;
  }
  return sub;
}

function runList(shell: Shell, list: List): void {
  for (const chain of list) {
    if (!chain.background) runChain(shell, chain);
    else {
      shell.expected.unordered = true;
      const sub = inSubshell(shell, (each) => runChain(each, chain));
      // It says so whenever it comes to it.
      if (sub.printed !== '') throw new Unsure();
      shell.status = 0;
    }
  }
}

function runChain(shell: Shell, { pipelines }: Chain): void {
  for (const { joint, pipeline } of pipelines) {
    if (joint === '&&' && shell.status !== 0) continue;
    if (joint === '||' && shell.status === 0) continue;
    runPipeline(shell, pipeline);
  }
}

/** What a shell says of its own accord goes into a pipe too, and may end it there. */
function complain(shell: Shell, status: number): void {
  if (shell.piped) throw new Unsure();
  shell.status = status;
}

function runPipeline(shell: Shell, { commands, negated, timed }: Pipeline): void {
  if (timed && shell.piped) throw new Unsure();
  const [only, ...others] = commands;
  if (only !== undefined && others.length === 0) runCommand(shell, only);
  else {
    shell.expected.unordered = true;
    for (const [index, command] of commands.entries()) {
      const piped = shell.piped || index < commands.length - 1;
      const sub = inSubshell({ ...shell, piped }, (each) => runCommand(each, command));
      if (index < commands.length - 1) continue;
      shell.status = sub.status;
      shell.printed += sub.printed;
    }
  }
  if (negated) shell.status = shell.status === 0 ? 1 : 0;
}

function runCommand(shell: Shell, command: PlainCommand): void {
  shell.fuel.left -= 1;
  if (shell.fuel.left < 0) throw new Unsure();
  if (command.kind === 'simple') return runSimple(shell, command);
  if (!canRedirect(command.redirects)) return complain(shell, 1);
  if (command.kind === 'test') return runTest(shell, command.words);
  const [first, second] = command.parts;
  if (first === undefined) return;
  switch (first.before) {
    case '(': {
      const sub = inSubshell(shell, (each) => runList(each, first.list));
      shell.status = sub.status;
      shell.printed += sub.printed;
      return;
    }
    case '{':
      return runList(shell, first.list);
    case 'if':
      return runIf(shell, command.parts);
    case 'do':
      return runFor(shell, command.loop, first.list);
    default:
      return runWhile(shell, first.list, second?.list ?? [], first.before === 'while');
  }
}

function runIf(shell: Shell, parts: readonly { before: string; list: List }[]): void {
  for (const [index, { before, list }] of parts.entries()) {
    if (before === 'else') return runList(shell, list);
    if (before === 'then') continue;
    runList(shell, list);
    if (shell.status === 0) return runList(shell, parts[index + 1]?.list ?? []);
  }
  shell.status = 0;
}

function runFor(
  shell: Shell,
  loop: { name: string; words: readonly PlainWord[] } | undefined,
  list: List,
): void {
  const values = (loop?.words ?? []).flatMap((word) => expand(shell, word));
  if (values.length === 0) shell.status = 0;
  for (const value of values) {
    shell.values.set(loop?.name ?? '', value);
    runList(shell, list);
  }
}

function runWhile(shell: Shell, test: List, list: List, wanted: boolean): void {
  let last = 0;
  for (;;) {
    shell.fuel.left -= 1;
    if (shell.fuel.left < 0) throw new Unsure();
    runList(shell, test);
    if ((shell.status === 0) !== wanted) break;
    runList(shell, list);
    last = shell.status;
  }
  shell.status = last;
}

function runTest(shell: Shell, words: readonly (PlainWord | string)[]): void {
  const [first, second, third] = words.map((word) =>
    typeof word === 'string' ? word : expandOne(shell, word),
  );
  const results: Record<string, boolean> = { '-n': second !== '', '-z': second === '' };
  const compared: Record<string, boolean> = {
    '==': first === third,
    '=': first === third,
    '!=': first !== third,
  };
  const result = third === undefined ? results[first ?? ''] : compared[second ?? ''];
  if (result === undefined) throw new Unsure();
  shell.status = result ? 0 : 1;
}

function runSimple(shell: Shell, command: Extract<PlainCommand, { kind: 'simple' }>): void {
  const [name, ...args] = command.words.flatMap((word) => expand(shell, word));
  if (command.words.length === 0) {
    shell.status = 0;
    for (const { name: variable, value } of command.settings)
      shell.values.set(variable, expandOne(shell, value));
    return;
  }
  // What was a program may have come to nothing, and then the next word is one.
  if (name === undefined || command.words[0]?.some(({ kind }) => kind !== 'text')) throw new Unsure();
  if (command.settings.some(({ value }) => value.some(({ kind }) => kind !== 'text'))) throw new Unsure();
  if (!canRedirect(command.redirects)) return complain(shell, 1);
  if (name === 'exit') throw args.length === 0 ? new Exit(shell.status) : new Unsure();
  if (name === 'true' || name === ':' || name === 'false') shell.status = name === 'false' ? 1 : 0;
  else if (name === 'echo') {
    if (shell.piped || args[0]?.startsWith('-') === true || command.redirects.length > 0) throw new Unsure();
    shell.printed += `${args.join(' ')}\n`;
    shell.status = 0;
  } else if (
    /^(cd|test|\[|printf|pwd|export|set|break|continue|type|pushd|popd|dirs|umask|wait|return|shift|times|kill|jobs|bg|fg|ulimit|help|caller|disown|suspend|logout)$/.test(
      name,
    ) ||
    name === ''
  ) {
    throw new Unsure();
  } else if (name.includes('/')) {
    // 126 where there is such a file, 127 where there is none.
    throw new Unsure();
  } else {
    shell.expected.runs.push([name, ...args]);
    shell.status = name === 'nope' ? 1 : programs.includes(name) ? 0 : 127;
  }
}

function canRedirect(redirects: readonly Redirect[]): boolean {
  return redirects.every((redirect) => {
    if (redirect.kind === 'input') return true;
    if (redirect.kind === 'copy') {
      if (/^[12]$/.test(redirect.target) && /^[12]?$/.test(redirect.number)) return true;
      throw new Unsure();
    }
    if (redirect.target === '/dev/null') return true;
    // A folder can be opened too.
    if (redirect.sign !== '<' || !/^\w[\w.]*$/.test(redirect.target)) throw new Unsure();
    return files.includes(redirect.target);
  });
}

function expandOne(shell: Shell, word: PlainWord): string {
  return word.map((piece) => valueOf(shell, piece)).join('');
}

function valueOf(shell: Shell, piece: PlainWord[number]): string {
  switch (piece.kind) {
    case 'text':
    case 'glob':
      return piece.text;
    case 'home':
      return home;
    case 'file':
      shell.expected.unordered = true;
      inSubshell(shell, (sub) => runList(sub, piece.list));
      return '/dev/fd/N';
    case 'output': {
      const sub = inSubshell({ ...shell, piped: false }, (each) => runList(each, piece.list));
      shell.status = sub.status;
      return sub.printed.replace(/\n+$/, '');
    }
    case 'value':
      return variableOf(shell, piece.what);
  }
}

function variableOf(shell: Shell, what: string): string {
  if (what === '?') return String(shell.status);
  const [, name = '', rest = ''] = /^([A-Za-z_]\w*)(.*)$/s.exec(what) ?? [];
  // Any other may be one that a shell has from the start.
  if (!/^[xyfd]$/.test(name)) throw new Unsure();
  const value = shell.values.get(name);
  if (rest === '') return value ?? '';
  const [, colon, operand = ''] = /^(:?)-(.*)$/s.exec(rest) ?? [];
  if (colon === undefined) throw new Unsure();
  return value === undefined || (colon === ':' && value === '') ? operand : value;
}

/** The arguments that a word becomes. */
function expand(shell: Shell, word: PlainWord): string[] {
  if (word.some(({ kind }) => kind === 'glob')) throw new Unsure();
  let found: string[] = [];
  let open = false;
  for (const piece of word) {
    const value = valueOf(shell, piece);
    const isSplit = (piece.kind === 'value' || piece.kind === 'output') && !piece.quoted;
    // What is not quoted may be a glob.
    if (isSplit && /[*?[\\]/.test(value)) throw new Unsure();
    const [first = '', ...others] = isSplit ? value.split(/[ \t\n]+/) : [value];
    if (first !== '' || !isSplit) {
      found = open ? [...found.slice(0, -1), `${found.at(-1) ?? ''}${first}`] : [...found, first];
      open = true;
    }
    for (const other of others) {
      open = other !== '';
      if (open) found.push(other);
    }
  }
  return found;
}
