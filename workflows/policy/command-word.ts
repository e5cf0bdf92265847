// What a word of a command is once the shell has read it, as far as that can be known before it runs.
import { braceExpand } from 'minimatch';
import type { CommandArgument, Word as WordNode, WordPart } from 'unbash';

export interface Word {
  /** Quotes and escapes taken away; undefined when it is known only when the command runs. */
  text: string | undefined;
  /** It may become none, one or several arguments. */
  splits: boolean;
  /** As far as it is written, for rules that look for names: what is expanded stands there as `$x`. */
  raw: string;
  /** Where globs or braces stand unquoted: the globs of the names it may become; `unknown` if that cannot be told. */
  globs?: readonly string[] | 'unknown';
}

export function readWord(word: CommandArgument): Word {
  // An assignment behind the program is an argument of `export` and its like.
  if (word.type === 'Assignment') {
    const value = word.value.type === 'Word' && word.index === undefined ? readWord(word.value) : undefined;
    const sign = word.append === true ? '+=' : '=';
    const text = value?.text === undefined ? undefined : `${word.name}${sign}${value.text}`;
    const globs = value === undefined ? 'unknown' : value.globs;
    return { text, splits: false, raw: text ?? word.text, ...(globs !== undefined && { globs }) };
  }
  // The shell puts a home directory in its place.
  const raw = word.value;
  if (isTilde(word)) return { text: undefined, splits: false, raw };
  if (isPlain(bareOf(word)) && (word.parts ?? []).every(isLiteral)) {
    return { text: raw, splits: false, raw };
  }
  const globs = globsOf(word);
  const splits = word.parts?.every(staysOne) !== true;
  return { text: undefined, splits, raw, ...(globs !== undefined && { globs }) };
}

// Alternatives multiply; nobody writes more by hand.
const mostAlternatives = 30;

function globsOf(word: WordNode): Word['globs'] {
  const { parts = [], text, value } = word;
  if (parts.some(mayBecomeAny)) return 'unknown';
  const bare = bareOf(word);
  const types = parts.map(({ type }) => type);
  const hasBraces = types.includes('BraceExpansion') || bare.includes('{');
  if (!hasBraces && !types.includes('Glob') && !types.includes('ExtendedGlob') && isPlain(bare))
    return undefined;
  if (!hasBraces) return [value];
  // Quotes keep parts of braces from being expanded, and what is expanded may hold any name.
  if (text !== value || /[$`"'\\]/.test(value)) return 'unknown';
  const names = braceExpand(value, { braceExpandMax: mostAlternatives });
  return names.length < mostAlternatives ? names : 'unknown';
}

/** What stands in for an empty variable is read anew, quotes and globs of its own among it. */
function mayBecomeAny(part: WordPart): boolean {
  if (part.type === 'DoubleQuoted') return part.parts.some(mayBecomeAny);
  if (part.type !== 'ParameterExpansion' || part.operation?.type !== 'Default') return false;
  return !/^[\w./:@%+,-]*$/.test(part.operation.operand.text);
}

/** What is not quoted, joined: quotes in between do not keep braces and brackets from belonging together. */
function bareOf({ parts, text }: WordNode): string {
  if (parts === undefined) return text;
  return parts.flatMap((part) => (part.type === 'Literal' ? part.text : [])).join('');
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
