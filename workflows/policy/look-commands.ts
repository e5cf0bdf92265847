// Commands that only look at the files they name: under a profile that asks about commands that name what runs later,
// or refuses those that name git's folder, these may name it.

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

/** Beside the reading commands: with any options, with words known only when they run, and telling git of a file. */
export const lookCommands: readonly string[] = [
  ...readers.map((program) => `${program} **`),
  ...withArguments('git add', files),
];
