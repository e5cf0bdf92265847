// What a word of a plain command is to the rules, as far as that can be known before it runs.
import { textOf } from './plain-word.ts';
import type { List, Piece, PlainWord } from './plain-syntax.ts';

export interface Word {
  /** Quotes and escapes taken away; undefined when it is known only when the command runs. */
  text: string | undefined;
  /** It may become none, one or several arguments. */
  splits: boolean;
  /** As far as it is written, for rules that look for names: what is expanded stands there as `$x`. */
  raw: string;
  /** Where globs stand unquoted: the glob of the names it may become; `unknown` if that cannot be told. */
  glob?: string;
  /** All that is expanded in it is the status of a program, a number: `"exit: $?"`. */
  status?: true;
}

export const unknownNames = 'unknown';

export function toKnownWord(text: string): Word {
  return { text, splits: false, raw: text };
}

export function toWord(word: PlainWord): Word {
  const text = textOf(word);
  if (text !== undefined) return { text, splits: false, raw: text };
  const glob = globOf(word);
  const raw = word.map(rawOf).join('');
  const isStatus = word.every((piece) => piece.kind === 'text' || isStatusOf(piece));
  return {
    ...{ text, splits: word.some(maySplit), raw },
    ...(glob !== undefined && { glob }),
    ...(isStatus && { status: true }),
  };
}

function rawOf(piece: Piece): string {
  switch (piece.kind) {
    case 'text':
    case 'glob':
      return piece.text;
    case 'home':
      return '~';
    case 'value':
      // What stands in for it may be, or complete, a name.
      return /^\w+:?-(.*)$/.exec(piece.what)?.[1] ?? `$${piece.what}`;
    case 'output':
      return gitFolderIn(piece.list) ?? '$()';
    case 'file':
      return '$()';
  }
}

const tellsGitFolder = /^--(?:(?:absolute-)?git-dir|git-common-dir|git-path)$/;

/** What `git rev-parse` prints where it is asked for its folder, whatever the folder is called here. */
function gitFolderIn([chain, ...others]: List): string | undefined {
  const [command, ...more] = chain?.pipelines.flatMap(({ pipeline }) => pipeline.commands) ?? [];
  if (others.length > 0 || more.length > 0 || command?.kind !== 'simple') return undefined;
  const [git, ...args] = command.words.map(textOf);
  const at = args.findIndex((text) => tellsGitFolder.test(text ?? ''));
  if (git !== 'git' || args[0] !== 'rev-parse' || at === -1) return undefined;
  const path = args[at + 1];
  return args[at] === '--git-path' && path !== undefined ? `.git/${path}` : '.git';
}

function isStatusOf(piece: Piece): boolean {
  return piece.kind === 'value' && /^(?:\?|PIPESTATUS\[[0-9]+\])$/.test(piece.what);
}

function maySplit(piece: Piece): boolean {
  if (piece.kind === 'glob') return true;
  // A status is a number; `$!` is empty where nothing runs in the background.
  return (
    (piece.kind === 'value' && piece.what !== '?' && !piece.quoted) ||
    (piece.kind === 'output' && !piece.quoted)
  );
}

function globOf(word: PlainWord): string | undefined {
  if (!word.some(({ kind }) => kind === 'glob')) return undefined;
  let glob = '';
  for (const [index, piece] of word.entries()) {
    const next = word[index + 1];
    if (piece.kind === 'glob') glob += piece.text;
    // In brackets each of these signs is literal.
    else if (piece.kind === 'text') glob += piece.text.replace(/[*?[\]\\(]/g, '[$&]');
    // What it holds may end in the middle of a name.
    else if (next?.kind === 'text' && next.text.startsWith('/') && rawOf(piece).startsWith('$')) glob += '*';
    else return unknownNames;
  }
  return glob;
}
