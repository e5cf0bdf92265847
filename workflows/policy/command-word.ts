// What a word of a command is once the shell has read it, as far as that can be known before it runs.
import type { CommandArgument, Word as WordNode, WordPart } from 'unbash';

export interface Word {
  /** Quotes and escapes taken away; undefined when it is known only when the command runs. */
  text: string | undefined;
  /** It may become none, one or several arguments. */
  splits: boolean;
  /** As far as it is written, for rules that look for names: what is expanded stands there as `$x`. */
  raw: string;
}

export function readWord(word: CommandArgument): Word {
  // An assignment behind the program is an argument of `export` and its like.
  if (word.type === 'Assignment') {
    const value =
      word.value.type === 'Word' && word.index === undefined ? readWord(word.value).text : undefined;
    const sign = word.append === true ? '+=' : '=';
    const text = value === undefined ? undefined : `${word.name}${sign}${value}`;
    return { text, splits: false, raw: text ?? word.text };
  }
  // The shell puts a home directory in its place.
  const raw = word.value;
  if (isTilde(word)) return { text: undefined, splits: false, raw };
  if (word.parts === undefined ? isPlain(word.text) : word.parts.every(isLiteral)) {
    return { text: raw, splits: false, raw };
  }
  return { text: undefined, splits: word.parts?.every(staysOne) !== true, raw };
}

/** Where it is not quoted: at the start, and behind the signs after which some programs and the shell look for it. */
function isTilde(word: WordNode): boolean {
  const unquoted = word.parts?.filter((part) => part.type === 'Literal') ?? [word];
  return unquoted.some(({ text }) => /^~|[=:]~/.test(text));
}

function isLiteral(part: WordPart): boolean {
  if (part.type === 'DoubleQuoted') return part.parts.every(({ type }) => type === 'Literal');
  if (part.type === 'Literal') return isPlain(part.text);
  return part.type === 'SingleQuoted' || part.type === 'AnsiCQuoted';
}

/** A second look at what the parser calls literal: nothing in it that a shell would still expand. */
function isPlain(text: string): boolean {
  return !/[*?$`]|\[.*\]|\{.*(,|\.\.)/s.test(text.replace(/\\./gs, ''));
}

/** Inside of double quotes nothing is split, but "$@", whose elements each stay one. */
function staysOne(part: WordPart): boolean {
  if (part.type !== 'DoubleQuoted') return isLiteral(part);
  return part.parts.every(
    (inner) =>
      (inner.type !== 'SimpleExpansion' && inner.type !== 'ParameterExpansion') || !inner.text.includes('@'),
  );
}
