// How the tables of reading commands say which options and words a command may have.

export interface ReadingForm {
  /** Letters of options that may stand alone or together: `-la`. */
  letters?: string;
  /** Letters that end their word or have a number behind them: `-n 20`, `-n20`. */
  numbers?: string;
  /** Letters that end their word or have any text behind them: `-d ,`, `-d,`. */
  texts?: string;
  /** A number may be an option: `-20`. */
  count?: true;
  /** Long options: `all` alone, `color=` with a value behind `=`, `stat=?` either way. */
  long?: readonly string[];
  /** Options of one dash and whole words, in place of all above. */
  words?: readonly string[];
  /** Without an option it does something else: `node` alone runs its input. */
  needsOption?: true;
  /** How many words that are no options it may have, where more would make it another command. */
  operands?: number;
  /** With one of these options among its words it may have any number. */
  operandsWith?: readonly string[];
  /** What its first word that is no option must look like. */
  first?: RegExp;
  /** Its first word that is no option is a text to look for, no file, unless an option looks like this. */
  patternUnless?: RegExp;
  /**
   * What the shell may find by a glob, where no content is printed: `any` where no option that a file may be called does
   * harm, `begun` only with a glob that begins with a plain sign. (A file may be called `--files0-from=.env`.) Absent
   * where content is printed: a link may be among the files.
   */
  globs?: 'any' | 'begun';
  /**
   * Passes over files that are hidden or that git ignores, unless a glob or a folder in its words names them. With the
   * options that take such a glob: the glob must name a kind of sources, or one file.
   */
  passesOver?: RegExp;
  /** Reads no file and has no option that does more: its words are mere text. */
  text?: true;
}

/** Names in one text, which reads better in a table. */
export function split(names: string): string[] {
  return names.split(' ');
}

/** Shared by grep and git grep. */
export const search: ReadingForm = {
  letters: 'EFGPivwxcloqsnhHabzyI',
  numbers: 'ABCm',
  count: true,
  long: split(
    'extended-regexp fixed-strings basic-regexp perl-regexp ignore-case no-ignore-case invert-match word-regexp ' +
      'line-regexp count color=? colour=? files-without-match files-with-matches max-count=? only-matching quiet silent ' +
      'no-messages line-number with-filename no-filename null text after-context=? before-context=? context=? line-buffered',
  ),
  // With -e the text is wherever that stands.
  texts: 'e',
  patternUnless: /^-[A-Za-z0-9]*e/,
};
