// Reads one word of a plain command. A word with braces is as many words as it stands for.
import {
  type Cursor,
  type List,
  lookingAt,
  Outside,
  type Piece,
  type PlainWord,
  take,
} from './plain-syntax.ts';

// Commands written by hand count through fewer numbers.
const mostAlternatives = 100;

const plain = /[A-Za-z0-9_./:=@%+,^!\]-]+|(?![\0-\x7f])[\p{L}\p{M}\p{N}\p{P}\p{S}]/uy;
const escaped = /\\([!-~ ])/y;
const singleQuoted = /'([^']*)'/y;
const ansiQuoted = /\$'((?:[^'\\]|\\[nt\\'"])*)'/y;
const bracket = /\[[!^]?[A-Za-z0-9_.-]+\]/y;
const braces = /\{([A-Za-z0-9_./:=@%+,-]*)\}/y;
// Places in a template; there is nothing in them to choose from.
const doubleBraces = /\{\{((?:[A-Za-z0-9_/:=@%+-]|\.(?!\.))*)\}\}/y;
const value =
  /\$(?:([A-Za-z_][A-Za-z0-9_]*|[?!])|\{([A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]\]|(?:##?|%%?)[A-Za-z0-9_./*-]+|:?-[A-Za-z0-9_./:@%+,-]*)?)\})/y;
const backticks = /`([^`\\"'\n]+)`/y;
const quotedText = /[^"\\$`]+/y;
const quotedEscape = /\\(?:([$`"\\])|(?=[^\n$`"\\]))/y;
// A dollar in front of these is itself.
const quotedDollar = /\$(?=["\s|)/.,:;\\])/y;

/** What ends a word; a quote, a dollar or a backslash does not. */
export const wordEnd = /[ \t\n;&|<>()]|$/y;

interface Growing {
  /** All that the braces so far make of it. */
  words: Piece[][];
  hasChoice: boolean;
  hasBraces: boolean;
}

/** Reads the word that begins here; the cursor stands on its first sign. */
export function readWords(cursor: Cursor): PlainWord[] {
  const start = cursor.at;
  const file = take(cursor, /<\((?!\()/y);
  if (file !== undefined) {
    const list = readInner(cursor);
    if (lookingAt(cursor, wordEnd) === null) throw new Outside('something directly behind <( )');
    return [[{ kind: 'file', list }]];
  }
  const growing: Growing = { words: [[]], hasChoice: false, hasBraces: false };
  while (lookingAt(cursor, wordEnd) === null) readPiece(cursor, growing, start);
  if (growing.hasChoice && growing.hasBraces) throw new Outside('braces of two kinds in one word');
  const words = growing.words.map(joinTexts);
  // Nothing between braces makes no argument at all.
  if (words.some((pieces) => pieces.length === 0)) throw new Outside('a word of nothing');
  return words;
}

/** A word that must be one, such as the value of a variable. */
export function readOneWord(cursor: Cursor): PlainWord {
  const [word, ...others] = readWords(cursor);
  if (word === undefined || others.length > 0) throw new Outside('braces where one word belongs');
  return word;
}

/** The text of a word that is written out, or undefined. */
export function textOf(word: PlainWord): string | undefined {
  return word.every((piece) => piece.kind === 'text') ? word.map(({ text }) => text).join('') : undefined;
}

function readPiece(cursor: Cursor, growing: Growing, start: number): void {
  const { text, at } = cursor;
  const add = (...pieces: Piece[]) => {
    for (const word of growing.words) word.push(...pieces);
  };
  const addText = (piece: string) => add({ kind: 'text', text: piece });
  const sign = text.charAt(at);
  switch (sign) {
    case "'": {
      const found = take(cursor, singleQuoted);
      if (found === undefined) throw new Outside('a quote without its partner');
      return addText(found[1] ?? '');
    }
    case '"':
      return add(...readDoubleQuoted(cursor));
    case '\\': {
      const found = take(cursor, escaped);
      if (found === undefined) throw new Outside('a backslash before the end of a line');
      return addText(found[1] ?? '');
    }
    case '$':
    case '`':
      return add(readDollar(cursor, false));
    case '*':
    case '?':
      cursor.at += 1;
      return add({ kind: 'glob', text: sign });
    case '[':
      return add(readBracket(cursor, start));
    case '~':
      return add(readTilde(cursor, start));
    case '{':
      return readBraces(cursor, growing);
    case '}':
      throw new Outside('a brace without its partner');
    case '#':
      // At the start of an argument it would be a comment, and is read as one before this.
      if (at === start) throw new Outside('a # in front');
      cursor.at += 1;
      return addText('#');
  }
  const found = take(cursor, plain);
  if (found === undefined)
    throw new Outside(`the sign ${JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))}`);
  addText(found[0]);
}

function readDoubleQuoted(cursor: Cursor): Piece[] {
  // Quotes around nothing are an argument.
  const pieces: Piece[] = [{ kind: 'text', text: '' }];
  cursor.at += 1;
  for (;;) {
    const found = take(cursor, quotedText) ?? take(cursor, quotedDollar);
    if (found !== undefined) pieces.push({ kind: 'text', text: found[0] });
    else if (cursor.text.charAt(cursor.at) === '"') break;
    else if (cursor.text.charAt(cursor.at) === '\\') {
      const escape = take(cursor, quotedEscape);
      if (escape === undefined) throw new Outside('a backslash before the end of a line');
      pieces.push({ kind: 'text', text: escape[1] ?? '\\' });
    } else if (cursor.at >= cursor.text.length) throw new Outside('a quote without its partner');
    else pieces.push(readDollar(cursor, true));
  }
  cursor.at += 1;
  return pieces;
}

function readDollar(cursor: Cursor, quoted: boolean): Piece {
  const ansi = quoted ? undefined : take(cursor, ansiQuoted);
  if (ansi !== undefined) return { kind: 'text', text: fromAnsi(ansi[1] ?? '') };
  const named = take(cursor, value);
  if (named !== undefined) {
    const [, bare, braced = bare] = named;
    // The braces would be spread out first, and the name be another one.
    if (bare !== undefined && cursor.text.charAt(cursor.at) === '{')
      throw new Outside('a brace behind a variable');
    return { kind: 'value', what: braced ?? '', quoted };
  }
  if (take(cursor, /\$\((?!\()/y) !== undefined) return { kind: 'output', list: readInner(cursor), quoted };
  const ticked = take(cursor, backticks);
  if (ticked === undefined) throw new Outside(`${cursor.text.slice(cursor.at, cursor.at + 3)}…`);
  const inside: Cursor = { ...cursor, text: ticked[1] ?? '', at: 0, depth: cursor.depth + 1, heredocs: [] };
  const list = cursor.readList(inside);
  if (inside.at < inside.text.length || inside.heredocs.length > 0) throw new Outside('backticks');
  return { kind: 'output', list, quoted };
}

/** Reads on from behind the opening bracket, and over the closing one. */
function readInner(cursor: Cursor): List {
  if (cursor.heredocs.length > 0) throw new Outside('a substitution behind a heredoc');
  cursor.depth += 1;
  const list = cursor.readList(cursor);
  cursor.depth -= 1;
  if (cursor.heredocs.length > 0) throw new Outside('a heredoc without its text');
  if (take(cursor, /\)/y) === undefined) throw new Outside('a bracket without its partner');
  return list;
}

function fromAnsi(text: string): string {
  return text.replace(/\\(.)/gs, (_, sign: string) => ({ n: '\n', t: '\t' })[sign] ?? sign);
}

function readBracket(cursor: Cursor, start: number): Piece {
  const found = take(cursor, bracket);
  if (found !== undefined) return { kind: 'glob', text: found[0] };
  cursor.at += 1;
  // Alone it is a program or a plain sign, no glob.
  if (cursor.at - 1 === start && lookingAt(cursor, wordEnd) !== null) return { kind: 'text', text: '[' };
  throw new Outside('a bracket in a word; quote it');
}

function readTilde(cursor: Cursor, start: number): Piece {
  const before = cursor.text.charAt(cursor.at - 1);
  cursor.at += 1;
  if (cursor.at - 1 === start) {
    if (lookingAt(cursor, wordEnd) !== null || cursor.text.charAt(cursor.at) === '/') return { kind: 'home' };
    throw new Outside('a home directory of somebody');
  }
  if (before === '=' || before === ':') throw new Outside(`a tilde behind ${before}`);
  return { kind: 'text', text: '~' };
}

function readBraces(cursor: Cursor, growing: Growing): void {
  const found = take(cursor, doubleBraces) ?? take(cursor, braces);
  if (found === undefined) throw new Outside('braces around more than plain signs');
  const inside = found[1] ?? '';
  const choices = inside.includes(',') ? inside.split(',') : countThrough(inside);
  if (choices === undefined) {
    // In front of these it is a variable that gets the number of the redirect.
    if (lookingAt(cursor, /[<>]/y) !== null) throw new Outside('a redirect that sets a variable');
    growing.hasBraces = true;
    for (const word of growing.words) word.push({ kind: 'text', text: found[0] });
    return;
  }
  growing.hasChoice = true;
  if (growing.words.length * choices.length > mostAlternatives)
    throw new Outside('braces for too many words');
  const toPieces = (text: string): Piece[] => (text === '' ? [] : [{ kind: 'text', text }]);
  growing.words = growing.words.flatMap((word) => choices.map((text) => [...word, ...toPieces(text)]));
}

function countThrough(inside: string): string[] | undefined {
  if (!inside.includes('..')) return undefined;
  const [, first, last] = /^(0|[1-9][0-9]{0,2})\.\.(0|[1-9][0-9]{0,2})$/.exec(inside) ?? [];
  if (first === undefined || last === undefined) throw new Outside('braces that count in another way');
  const [from, to] = [Number(first), Number(last)];
  const step = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => String(from + index * step));
}

/** Texts beside each other are one, so that equal words are equal trees. */
function joinTexts(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (piece.kind !== 'text' || last?.kind !== 'text') joined.push(piece);
    else joined[joined.length - 1] = { kind: 'text', text: last.text + piece.text };
  }
  // An empty text tells that something was quoted, which counts only where all else may come to nothing.
  const isSure = joined.some((piece) => (piece.kind === 'text' ? piece.text !== '' : !mayVanish(piece)));
  return isSure ? joined.filter((piece) => piece.kind !== 'text' || piece.text !== '') : joined;
}

function mayVanish(piece: Piece): boolean {
  return (piece.kind === 'value' || piece.kind === 'output') && !piece.quoted;
}
