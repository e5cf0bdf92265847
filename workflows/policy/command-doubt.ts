// Where a shell may run something else than it seems to. The lists are of what is known to mislead; syntax that is not
// on the list of what is understood is in doubt by itself.
import type { Assignment, Command, ParameterExpansionPart, SyntaxNode } from 'unbash';
import type { Word } from './command-word.ts';

const understood = new Set<SyntaxNode['type']>([
  ...(['Script', 'Statement', 'CompoundList', 'AndOr', 'Pipeline', 'Negation', 'Time'] as const),
  ...(['Command', 'Redirected', 'If', 'Elif', 'While', 'For', 'Case', 'CaseItem', 'Subshell'] as const),
  ...([
    'BraceGroup',
    'Function',
    'TestCommand',
    'TestUnary',
    'TestBinary',
    'TestLogical',
    'TestNot',
  ] as const),
  ...(['TestGroup', 'Word', 'Literal', 'Glob', 'SingleQuoted', 'DoubleQuoted', 'AnsiCQuoted'] as const),
  ...(['SimpleExpansion', 'ParameterExpansion', 'Default', 'Remove', 'Replace', 'Slice'] as const),
  ...([
    'CaseModification',
    'CommandExpansion',
    'ProcessSubstitution',
    'ExtendedGlob',
    'BraceExpansion',
  ] as const),
  ...(['ArithmeticExpansion', 'ArithmeticCommand', 'ArithmeticBinary', 'ArithmeticUnary'] as const),
  ...([
    'ArithmeticTernary',
    'ArithmeticGroup',
    'ArithmeticWord',
    'Assignment',
    'ArrayValue',
    'Redirect',
  ] as const),
  ...(['HereString', 'HereDoc', 'HereDocDelimiter', 'HereDocBody', 'FileDescriptor'] as const),
]);

// Names in arithmetic are evaluated in turn: a variable that holds a[$(cmd)] runs cmd.
const numbersOnly = 'it calculates with more than numbers, which can run commands';
const comparesNumbers = ['-eq', '-ne', '-lt', '-le', '-gt', '-ge'];

/** Why this piece of syntax is not certain, or undefined. */
export function nodeDoubt(node: SyntaxNode): string | undefined {
  if (!understood.has(node.type)) return `${node.type} is not understood`;
  switch (node.type) {
    case 'Script':
      return node.errors !== undefined && node.errors.length > 0 ? 'it cannot be read' : undefined;
    case 'For':
      return nameDoubt(node.name.value, false);
    case 'ArithmeticWord':
      return isNumber(node.value) ? undefined : numbersOnly;
    case 'ArithmeticExpansion':
    case 'ArithmeticCommand':
      return node.expression === undefined ? numbersOnly : undefined;
    case 'Slice':
      return [node.offset, node.length].every((word) => word === undefined || isNumber(word.value))
        ? undefined
        : numbersOnly;
    case 'TestUnary':
      return ['-v', '-R'].includes(node.operator) ? numbersOnly : undefined;
    case 'TestBinary':
      return comparesNumbers.includes(node.operator) &&
        !(isNumber(node.left.value) && isNumber(node.right.value))
        ? numbersOnly
        : undefined;
    case 'CommandExpansion':
    case 'ProcessSubstitution':
      return node.script === undefined ? 'a substitution cannot be read' : undefined;
    case 'ParameterExpansion':
      return expansionDoubt(node);
    default:
      return undefined;
  }
}

function isNumber(text: string): boolean {
  return /^\s*-?\d+\s*$/.test(text);
}

function expansionDoubt({ prefix, index, operation, parameter }: ParameterExpansionPart): string | undefined {
  if (prefix === '!') return 'a variable names another variable';
  if (index !== undefined && !/^(\d+|[@*])$/.test(index.value)) return numbersOnly;
  if (operation?.type === 'Default' && operation.operator.endsWith('=')) return nameDoubt(parameter, false);
  return undefined;
}

// Settings of programs that point to no file and no command.
const harmlessSettings =
  /^(CI|NODE_ENV|DEBUG|VERBOSE|FORCE_COLOR|NO_COLOR|CLICOLOR|CLICOLOR_FORCE|LANG|LC_[A-Z]+|TZ|PORT|SEED|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|RUST_BACKTRACE|RUST_LOG|GOOS|GOARCH|CGO_ENABLED)$/;

/** A variable of the shell may have any small name; one that programs get must be known to be harmless. */
function nameDoubt(name: string, reachesPrograms: boolean): string | undefined {
  if (harmlessSettings.test(name)) return undefined;
  const isOwn = /^[a-z_][a-z0-9_]*$/.test(name) && !/^npm_|_proxy$/.test(name);
  return isOwn && !reachesPrograms ? undefined : `setting ${name} may change what runs`;
}

export function assignmentDoubt(assignment: Assignment, reachesPrograms: boolean): string | undefined {
  if (assignment.index !== undefined && !isNumber(assignment.index.value)) return numbersOnly;
  return nameDoubt(assignment.name, reachesPrograms);
}

// They run what their arguments say, or change what later words mean.
const misleadingBuiltins =
  /^(eval|source|\.|exec|command|builtin|trap|alias|unalias|enable|hash|read|mapfile|readarray|getopts|let|unset|shopt|bind|complete|compgen|fc)$/;
const declaring = /^(export|declare|typeset|readonly|local)$/;

const shells = /^(sh|bash|dash|ash|zsh|ksh|mksh|csh|tcsh|fish|busybox|toybox)$/;
const wrappers = new RegExp(
  `^(${[
    'env sudo doas su runuser gosu su-exec pkexec setpriv capsh chroot unshare nsenter bwrap firejail fakeroot proot',
    'xargs parallel nohup nice ionice timeout time stdbuf setsid flock taskset chrt prlimit setarch watch entr',
    'strace ltrace gdb script expect unbuffer systemd-run at batch crontab start-stop-daemon ssh-agent xvfb-run',
    'proxychains proxychains4 torsocks tsocks cross-env dotenv ld.so ld-linux-x86-64.so.2',
  ]
    .join(' ')
    .replaceAll('.', String.raw`\.`)
    .replaceAll(' ', '|')})$`,
);

/** Why the words of a command do not say what runs, or undefined. */
export function builtinDoubt(node: Command, words: readonly Word[]): string | undefined {
  const [first, ...args] = words;
  if (first === undefined) return undefined;
  if (first.text === undefined) return 'which program runs is known only when it runs';
  const name = programOf(first.text);
  if (misleadingBuiltins.test(name)) return `${name} runs or changes what its arguments say`;
  if (shells.test(name)) return `${name} is a shell and runs what it is given`;
  if (wrappers.test(name)) return `${name} runs another command`;
  const has = (option: RegExp) => args.some(({ text }) => text !== undefined && option.test(text));
  switch (name) {
    case 'find':
      return has(/^-(exec|execdir|ok|okdir)$/) ? 'find runs another command' : undefined;
    case 'fd':
    case 'fdfind':
      return has(/^(-[a-zA-Z]*[xX]|--exec(-batch)?(=|$))/) ? 'fd runs another command' : undefined;
    case 'jobs':
      return args.length > 0 ? 'jobs runs another command' : undefined;
    case 'test':
    case '[':
      return has(/^-[vR]$/) ? numbersOnly : undefined;
    case 'printf':
      return args[0]?.text?.startsWith('-v') === false ? undefined : 'printf may set a variable';
    case 'set':
      return args.every(({ text }) => /^([-+][eux]*o?|pipefail|errexit|nounset|xtrace)$/.test(text ?? '?'))
        ? undefined
        : 'set changes the arguments or the shell';
    case 'git':
      return gitDoubt(args);
  }
  return declaring.test(name) ? declarationDoubt(node, name) : undefined;
}

/** Its settings and its directories name programs it runs. */
function gitDoubt(args: readonly Word[]): string | undefined {
  for (const { text } of args) {
    if (text === undefined) return 'what git does is known only when it runs';
    if (!text.startsWith('-')) return undefined;
    if (!['--no-pager', '-P', '--version', '--help', '--no-optional-locks'].includes(text)) {
      return `git ${text} changes where git finds its settings`;
    }
  }
  return undefined;
}

function declarationDoubt(node: Command, name: string): string | undefined {
  for (const argument of node.args) {
    if (argument.type !== 'Assignment') return `${name} changes variables`;
    const problem = assignmentDoubt(argument, name === 'export');
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function programOf(word: string): string {
  return word.replace(/^.*\//s, '');
}

// Enough for any honest wrapper; each place costs a look at every rule.
const mostInside = 40;

/** What a command that runs other commands may run: the ends of its arguments as words, and each argument as text. */
export function commandsInside(words: readonly Word[]): (readonly Word[] | string)[] {
  const [first, ...args] = words;
  const name = programOf(first?.text ?? '');
  if (
    !misleadingBuiltins.test(name) &&
    !shells.test(name) &&
    !wrappers.test(name) &&
    !/^(find|fd|fdfind)$/.test(name)
  ) {
    return [];
  }
  const places = args.slice(0, mostInside);
  const ends = places.map((_, index) => args.slice(index));
  const texts = places.flatMap(({ text }) => (text !== undefined && /[\s;|&]/.test(text) ? [text] : []));
  return [...ends, ...texts];
}
