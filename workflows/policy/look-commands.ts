// Commands that only look at the files they name: under a profile that asks about commands that name what runs later,
// or refuses those that name git's folder, these may name it. Options that write a file or run a program (find -fprint,
// tree -o, rg --pre, git diff --output) make a command another one, as far as they are not in doubt anyway.

/** A command with each of the arguments that it may have, and no others. */
export function withArguments(command: string, given: readonly string[]): string[] {
  return given.map((args) => `${command} ${args}`.trimEnd());
}

// None of their options writes or runs anything.
const readers = [
  ...['cat', 'head', 'tail', 'wc', 'ls', 'stat', 'du', 'nl', 'cut', 'cmp', 'diff', 'grep', 'egrep', 'fgrep'],
  ...[
    'test',
    '[',
    '[[',
    'realpath',
    'readlink',
    'basename',
    'dirname',
    'jq',
    'md5sum',
    'sha1sum',
    'sha256sum',
  ],
];

const files = ['*', '* *', '* * *'];

export const lookCommands: readonly string[] = [
  ...readers.map((program) => `${program} **`),
  // What of theirs runs or writes is in doubt already.
  'find **',
  ...withArguments('rg', [...files, '-n *', '-n * *', '-l *', '-l * *', '-i *', '-i * *', '--hidden *']),
  ...withArguments('sed -n', ['* *', '* * *']),
  ...withArguments('tree', ['*', '-a -I *', '-I *', '-L * -I *', '-a -L * -I *', '-L * -a -I *']),
  ...withArguments('git add', files),
  ...withArguments('git show', ['*', '--stat *']),
  ...withArguments('git diff', [...files, '-- *', '--stat *', '--stat -- *', 'HEAD -- *', '--staged -- *']),
  ...withArguments('git diff', ['--cached -- *', '--name-only *', '--name-status *']),
  ...withArguments('git log', ['*', '-- *', '--oneline *', '--oneline -- *', '-p *', '-p -- *', '-n * -- *']),
  ...withArguments('git blame', ['*', '* *']),
  ...withArguments('git status', ['*', '-s *', '--short *', '--porcelain *']),
  ...withArguments('git ls-files', ['*', '-- *']),
  ...withArguments('git check-ignore', ['*', '-v *']),
];
