// Where git runs more than its words say: its settings and its directories name programs, some options and some of its
// commands run others.
import type { Word } from './command-word.ts';

const harmless = new Set(['--no-pager', '-P', '--version', '--help', '--no-optional-locks']);

// They run what is named in the project, in settings or in their arguments.
const runners = new Set([
  'difftool',
  'mergetool',
  'filter-branch',
  'filter-repo',
  'citool',
  'gui',
  'web--browse',
  'merge-index',
  'remote-ext',
]);

/** Options that run a program or take one over, by command; git takes them shortened, too. */
const running: Record<string, { short?: RegExp; long: readonly string[] }> = {
  rebase: { short: /^-[a-zA-Z]*x/, long: ['--exec'] },
  grep: { short: /^-O/, long: ['--open-files-in-pager'] },
  init: { long: ['--template', '--separate-git-dir'] },
};
const runningAnywhere = ['--upload-pack', '--receive-pack', '--extcmd'];

/** Why git may run more, or undefined. */
export function gitDoubt(args: readonly Word[]): string | undefined {
  for (const [index, { text }] of args.entries()) {
    if (text === undefined) return 'what git does is known only when it runs';
    if (!text.startsWith('-')) return commandDoubt(text, args.slice(index + 1));
    if (!harmless.has(text)) return `git ${text} changes where git finds its settings`;
  }
  return undefined;
}

function commandDoubt(command: string, args: readonly Word[]): string | undefined {
  const [first] = args.filter(({ text }) => text === undefined || !text.startsWith('-'));
  const isRunner =
    runners.has(command) ||
    (command === 'submodule' && mayBe(first, 'foreach')) ||
    (command === 'bisect' && mayBe(first, 'run'));
  const { short, long = [] } = running[command] ?? {};
  const option = args.find(
    (word) =>
      [...long, ...runningAnywhere].some((name) => shortens(word, name)) ||
      (short !== undefined && (word.text === undefined ? word.splits && !word.glob : short.test(word.text))),
  );
  if (isRunner) return `git ${command} runs other commands`;
  return option === undefined ? undefined : `git ${command} ${option.raw} runs another command`;
}

function mayBe(word: Word | undefined, wanted: string): boolean {
  return word !== undefined && (word.text === undefined || word.text === wanted);
}

/** At least two letters, for one means several. */
function shortens({ text }: Word, name: string): boolean {
  const written = /^--[a-z-]{2,}/.exec(text ?? '')?.[0];
  return written !== undefined && name.startsWith(written);
}
