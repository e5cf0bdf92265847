// The names of files in a command, as rules that forbid compare them: in its words, in parts of them, and in globs that
// the shell or a program spreads out.
import type { SimpleCommand } from './command.ts';
import { unknownNames, type Word } from './command-word.ts';
import { looseNames, normalizePath } from './path.ts';

export interface Named {
  /** Paths relative to the project where they lie in it. */
  names: readonly string[];
  /** Globs; `unknown` where it cannot be told what a word becomes. */
  patterns: readonly string[];
}

// Kept, because every rule asks.
const known = new WeakMap<SimpleCommand, { root: string | null; named: Named }>();

export function namedIn(command: SimpleCommand, root: string | null): Named {
  const before = known.get(command);
  if (before?.root === root) return before.named;
  const words = [...command.words, ...command.files];
  const names = new Set(words.flatMap(({ raw }) => piecesOf(raw)).map((piece) => comparable(piece, root)));
  const globs = [
    ...words.flatMap(({ glob }) => glob ?? []),
    ...words.flatMap(begunGlobs),
    ...pointedGlobs(command.words),
  ];
  const patterns = globs.flatMap((glob) =>
    glob === unknownNames ? [glob] : piecesOf(glob).map((piece) => comparable(piece, root)),
  );
  const named = { names: [...names], patterns };
  known.set(command, { root, named });
  return named;
}

/** The words of a command that may be names, for a look at where they lead. */
export function writtenNames({ words, files }: SimpleCommand): string[] {
  return [...words, ...files].flatMap(({ text }) => (text === undefined ? [] : piecesOf(text)));
}

export function piecesOf(word: string): string[] {
  // Options and addresses carry names behind these characters, and short options directly behind their letter.
  const pieces = [word, ...word.split(/[=:@,{}]/), ...(/^-[^-]/.test(word) ? [word.slice(2)] : [])];
  return pieces.filter((piece) => piece !== '');
}

const globOption = /^(?:-g|--i?glob|--include|-i?name|-i?path|-i?wholename)(?:=|$)|^-g(?=.)/;

/**
 * Globs in quotes that a program spreads out by itself (`rg -g '.env*'`), where their last name begins with more than a
 * wildcard. Others are no more pointed than the folder that is searched.
 */
function pointedGlobs(words: readonly Word[]): string[] {
  return words.flatMap(({ text }, index) => {
    const option = text === undefined ? null : globOption.exec(text);
    if (text === undefined || option === null) return [];
    const given = text.length > option[0].length ? text.slice(option[0].length) : words[index + 1]?.text;
    if (given === undefined || !/[*?[{]/.test(given) || !/^[^*?[!/]/.test(given.replace(/^.*\//s, '')))
      return [];
    return [given];
  });
}

/** A hidden name of which only the beginning is written (`.en$x`), as a glob. */
function begunGlobs({ text, glob, raw }: Word): string[] {
  if (text !== undefined || glob !== undefined) return [];
  const spread = raw.replace(/\$(?:\(\)|\w+)/g, '*');
  return spread.split('/').some((name) => /^\.[^.*][^*]*\*/.test(name)) ? [spread] : [];
}

function comparable(piece: string, root: string | null): string {
  const normal = normalizePath(piece, root);
  return normal.kind === 'inside' ? normal.path : looseNames(piece);
}
