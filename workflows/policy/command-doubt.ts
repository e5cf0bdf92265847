// Programs and settings by which something else runs than the words of a command say. The lists are of what is known
// to mislead; syntax that could mislead is not in the language of plain commands at all.
import type { Word } from './command-word.ts';
import { gitDoubt } from './git-doubt.ts';

// Settings of programs that point to no file and no command.
const harmlessSettings =
  /^(CI|NODE_ENV|DEBUG|VERBOSE|FORCE_COLOR|NO_COLOR|CLICOLOR|CLICOLOR_FORCE|LANG|LC_[A-Z]+|TZ|PORT|SEED|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|RUST_BACKTRACE|RUST_LOG|GOOS|GOARCH|CGO_ENABLED)$/;

/** A variable of the shell may have any small name; one that programs get must be known to be harmless. */
export function settingDoubt(name: string, reachesPrograms: boolean): string | undefined {
  if (harmlessSettings.test(name)) return undefined;
  const isOwn = /^[a-z_][a-z0-9_]*$/.test(name) && !/^npm_|_proxy$/.test(name);
  return isOwn && !reachesPrograms ? undefined : `setting ${name} may change what runs`;
}

// They run what their arguments say, or change what later words mean. `declare` and its like can make a variable that
// calculates when it is set.
const misleadingBuiltins =
  /^(eval|source|\.|exec|command|builtin|trap|alias|unalias|enable|hash|read|mapfile|readarray|getopts|let|unset|shopt|bind|complete|compopt|compgen|fc|history|declare|typeset|readonly|local)$/;

// Any name that ends so, with a version or without: a list would miss some.
const shells = /^(?:[a-z0-9_-]*sh(?:[-.]?[0-9][0-9.]*)?|busybox|toybox|ksh93|elvish|nu|xonsh)$/i;
const wrappers = new RegExp(
  `^(${[
    'env sudo doas su runuser gosu su-exec pkexec setpriv capsh chroot unshare nsenter bwrap firejail fakeroot proot',
    'xargs parallel nohup nice ionice timeout time stdbuf setsid flock taskset chrt prlimit setarch watch entr',
    'strace ltrace gdb script expect unbuffer systemd-run at batch crontab start-stop-daemon ssh-agent xvfb-run',
    'proxychains proxychains4 torsocks tsocks cross-env dotenv direnv ld.so ld-linux-x86-64.so.2',
  ]
    .join(' ')
    .replaceAll('.', String.raw`\.`)
    .replaceAll(' ', '|')})$`,
);

const calculates = 'it calculates with more than numbers, which can run commands';

/** Why the words of a command do not say what runs, or undefined. */
export function programDoubt([first, ...args]: readonly Word[]): string | undefined {
  if (first === undefined) return undefined;
  if (first.text === undefined) return 'which program runs is known only when it runs';
  const name = programOf(first.text);
  // A shell reads it so in quotes, too.
  if (name.startsWith('%')) return `${name} is a job of the shell`;
  if (misleadingBuiltins.test(name)) return `${name} runs or changes what its arguments say`;
  if (shells.test(name)) return `${name} is a shell and runs what it is given`;
  if (wrappers.test(name)) return `${name} runs another command`;
  // Only under the name `git` is it bound to the project's repository when it runs. Some disks ignore case.
  if (/^git(?:$|-)/i.test(name) && first.text !== 'git')
    return `${first.text} is git by another name; write git and its command`;
  switch (name) {
    case 'find':
      if (args.some(({ text }) => /^-f(print|print0|printf|ls)$/.test(text ?? '')))
        return 'find writes a file';
      return args.some(
        (word) => mayBe(word, /^-(exec|execdir|ok|okdir)$/) && !/\.[a-z]+$/.test(word.glob ?? ''),
      )
        ? 'find runs another command'
        : undefined;
    case 'fd':
    case 'fdfind':
      return args.some((word) => mayBe(word, /^(-[a-zA-Z]*[xX]|--exec(-batch)?(=|$))/))
        ? 'fd runs another command'
        : undefined;
    case 'jobs':
      return args.length > 0 ? 'jobs runs another command' : undefined;
    case 'wait':
      return args.some((word) => mayBe(word, /^-/)) ? 'wait may set a variable' : undefined;
    case 'test':
      return isSimpleTest(args) ? undefined : calculates;
    case '[':
      return isSimpleTest(args.slice(0, -1)) ? undefined : calculates;
    case 'printf':
      return args[0]?.text?.startsWith('-v') === false ? undefined : 'printf may set a variable';
    case 'set':
      if (args.length === 0) return 'set shows every variable';
      return args.every(({ text }) => /^([-+][eux]*o?|pipefail|errexit|nounset|xtrace)$/.test(text ?? '?'))
        ? undefined
        : 'set changes the arguments or the shell';
    case 'export':
      return exportDoubt(args);
    case 'git':
      return gitDoubt(args);
    default:
      return undefined;
  }
}

/** Whether it is known that a program runs what its arguments say, wherever it stands. */
export function runsOthers(name: string): boolean {
  return isShellOrWrapper(name) || misleadingBuiltins.test(name) || /^(find|fd|fdfind)$/.test(name);
}

export function isShellOrWrapper(name: string): boolean {
  return shells.test(name) || wrappers.test(name);
}

/** Whether it is, or may become, such an option; what begins with a sign that is known to be another one cannot. */
function mayBe({ text, glob, raw }: Word, option: RegExp): boolean {
  return text === undefined ? !/^[^-*?[]/.test(glob ?? '') && !raw.startsWith('~') : option.test(text);
}

/** `-v` and `-R` look into what a name in brackets says; everything else compares. */
function isSimpleTest(args: readonly Word[]): boolean {
  const [first, second] = args;
  if (args.some(({ splits }) => splits)) return false;
  if (first?.text === '!') return isSimpleTest(args.slice(1));
  if (args.length <= 1) return true;
  if (args.length === 2) return /^-[a-zA-Z]$/.test(first?.text ?? '') && !/^-[vR]$/.test(first?.text ?? '');
  if (args.length === 3 && /^(==?|!=|[<>]|-[a-z]{2})$/.test(second?.text ?? '')) return true;
  return args.every(({ text }) => text !== undefined && !/^-[vR]$/.test(text));
}

function exportDoubt(args: readonly Word[]): string | undefined {
  if (args.length === 0) return 'export shows variables';
  for (const { text } of args) {
    const name = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(text ?? '')?.[1];
    if (name === undefined) return 'export changes variables';
    const problem = settingDoubt(name, true);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A program by whatever path it is called. */
export function programOf(word: string): string {
  return word.replace(/^.*\//s, '');
}
