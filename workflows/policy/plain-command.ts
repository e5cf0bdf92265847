// Reads a text as plain commands, or says where it leaves the language (plain-syntax.ts). Never throws.
import {
  type Block,
  type Chain,
  type Cursor,
  type List,
  lookingAt,
  Outside,
  type Pipeline,
  type PlainCommand,
  type PlainWord,
  type Redirect,
  type Setting,
  type Simple,
  take,
  type Test,
} from './plain-syntax.ts';
import { readOneWord, readWords, textOf, wordEnd } from './plain-word.ts';

// Deeper than commands written by hand; each level costs a few frames of the stack.
const deepest = 30;

export function readPlain(text: string): { list: List } | { outside: string } {
  // Some control the shell itself, some the terminal of the person who is asked.
  if (/[^\P{Cc}\t\n]/u.test(text) || !text.isWellFormed()) return { outside: 'a control character' };
  const cursor: Cursor = { text, at: 0, depth: 0, heredocs: [], readList };
  try {
    const list = readList(cursor);
    if (cursor.at < text.length) return { outside: near(cursor) };
    return cursor.heredocs.length > 0 ? { outside: 'a heredoc without an end' } : { list };
  } catch (error) {
    if (error instanceof Outside) return { outside: error.message };
    throw error;
  }
}

function near(cursor: Cursor): string {
  return JSON.stringify(cursor.text.slice(cursor.at, cursor.at + 10).toWellFormed());
}

/** Blanks, line ends that a backslash takes away, and comments. */
function skipBlanks(cursor: Cursor): void {
  take(cursor, /(?:[ \t]|(?<=^|[ \t\n])\\\n)+/y);
  // What ends a word begins a comment.
  if (lookingAt(cursor, /(?<=^|[ \t\n;&|<>()])#/y) !== null) take(cursor, /[^\n]*/y);
}

function skipLines(cursor: Cursor): void {
  for (;;) {
    skipBlanks(cursor);
    if (cursor.text.charAt(cursor.at) !== '\n') return;
    const line = cursor.at;
    cursor.at += 1;
    for (const heredoc of cursor.heredocs.splice(0)) {
      // Shells do not agree on what a line end in quotes means to a heredoc.
      if (cursor.text.slice(heredoc.at, line).includes('\n'))
        throw new Outside('a heredoc before a longer line');
      heredoc.found(readHeredoc(cursor, heredoc));
    }
  }
}

function readHeredoc(cursor: Cursor, { end, tabs }: Cursor['heredocs'][number]): string {
  const lines: string[] = [];
  for (;;) {
    const [, written = '', lineEnd = ''] = take(cursor, /([^\n]*)(\n|$)/y) ?? [];
    const text = tabs ? written.replace(/^\t+/, '') : written;
    if (text === end) return lines.join('');
    if (lineEnd === '') throw new Outside('a heredoc without an end');
    lines.push(`${text}\n`);
  }
}

// Behind a list they are for the block around it to read.
const closing = /(?:then|elif|else|fi|do|done|\})(?=[ \t\n;&|<>()]|$)/y;

function readList(cursor: Cursor): List {
  if (cursor.depth > deepest) throw new Outside('too many commands inside of commands');
  const chains: Chain[] = [];
  for (;;) {
    skipLines(cursor);
    if (lookingAt(cursor, /\)|$/y) !== null || lookingAt(cursor, closing) !== null) break;
    const pipelines = readChain(cursor);
    skipBlanks(cursor);
    const sign = take(cursor, /;(?!;)|&(?![&>])|(?=\n)/y)?.[0];
    chains.push({ pipelines, background: sign === '&' });
    if (sign === undefined) break;
  }
  if (chains.length === 0 && (cursor.depth > 0 || cursor.at < cursor.text.length))
    throw new Outside('a list of nothing');
  return chains;
}

function readChain(cursor: Cursor): Chain['pipelines'] {
  const pipelines: { joint: '' | '&&' | '||'; pipeline: Pipeline }[] = [];
  for (let joint: '' | '&&' | '||' | undefined = ''; joint !== undefined; ) {
    pipelines.push({ joint, pipeline: readPipeline(cursor) });
    skipBlanks(cursor);
    joint = take(cursor, /&&|\|\|/y)?.[0] as '&&' | '||' | undefined;
    if (joint !== undefined) skipLines(cursor);
  }
  return pipelines;
}

function readPipeline(cursor: Cursor): Pipeline {
  const timed = take(cursor, /time[ \t]+(?![-!])/y) !== undefined;
  const negated = take(cursor, /![ \t]+/y) !== undefined;
  const commands: PlainCommand[] = [];
  for (;;) {
    const command = readCommand(cursor);
    skipBlanks(cursor);
    const joint = take(cursor, /\|&|\|(?!\|)/y)?.[0];
    if (joint === '|&' && command.kind === 'simple' && command.words.length === 0)
      throw new Outside('no program');
    commands.push(joint === '|&' ? { ...command, redirects: [...command.redirects, errorsToo] } : command);
    if (joint === undefined) return { timed, negated, commands };
    skipLines(cursor);
  }
}

// The short forms for it mean something else to other shells.
const errorsToo: Redirect = { kind: 'copy', number: '2', target: '1' };

// Words that the shell reads as its own in front of a command; quoted, they are programs.
export const reserved =
  /^(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|select|function|coproc|time|in|\{|\}|!|\[\[|\]\])$/;
const word = /[^ \t\n;&|<>()]*/y;

function readCommand(cursor: Cursor): PlainCommand {
  const start = cursor.at;
  if (take(cursor, /\((?!\()/y) !== undefined) return block(cursor, start, [readPart(cursor, '(')], ')');
  const name = lookingAt(cursor, word)?.[0] ?? '';
  if (!reserved.test(name)) return readSimple(cursor);
  cursor.at += name.length;
  switch (name) {
    case '{':
      return block(cursor, start, [readPart(cursor, '{')], '}');
    case 'if':
      return readIf(cursor, start);
    case 'while':
    case 'until': {
      const test = readPart(cursor, name);
      return block(cursor, start, [test, readKeywordPart(cursor, 'do')], 'done');
    }
    case 'for':
      return readFor(cursor, start);
    case '[[':
      return readTest(cursor, start);
    default:
      throw new Outside(name === '!' || name === 'time' ? `${name} twice` : name);
  }
}

function readPart(cursor: Cursor, before: string): Block['parts'][number] {
  cursor.depth += 1;
  const list = readList(cursor);
  cursor.depth -= 1;
  return { before, list };
}

function readKeywordPart(cursor: Cursor, keyword: string): Block['parts'][number] {
  takeKeyword(cursor, keyword);
  return readPart(cursor, keyword);
}

function takeKeyword(cursor: Cursor, keyword: string): void {
  if (lookingAt(cursor, word)?.[0] !== keyword) throw new Outside(`${near(cursor)} where ${keyword} belongs`);
  cursor.at += keyword.length;
}

function block(
  cursor: Cursor,
  start: number,
  parts: Block['parts'],
  after: string,
  loop?: Block['loop'],
): Block {
  if (after !== ')') takeKeyword(cursor, after);
  else if (take(cursor, /\)/y) === undefined) throw new Outside('a bracket without its partner');
  const redirects = readRedirects(cursor);
  const text = cursor.text.slice(start, cursor.at);
  return { kind: 'block', text, parts, after, redirects, ...(loop !== undefined && { loop }) };
}

function readIf(cursor: Cursor, start: number): Block {
  const parts = [readPart(cursor, 'if'), readKeywordPart(cursor, 'then')];
  for (;;) {
    const next = lookingAt(cursor, word)?.[0];
    if (next === 'elif') parts.push(readKeywordPart(cursor, 'elif'), readKeywordPart(cursor, 'then'));
    else if (next === 'else') {
      parts.push(readKeywordPart(cursor, 'else'));
      return block(cursor, start, parts, 'fi');
    } else return block(cursor, start, parts, 'fi');
  }
}

function readFor(cursor: Cursor, start: number): Block {
  const name = take(cursor, /[ \t]+([A-Za-z_][A-Za-z0-9_]*)[ \t]+in(?=[ \t])/y)?.[1];
  if (name === undefined) throw new Outside('a loop of another form');
  const words: PlainWord[] = [];
  skipBlanks(cursor);
  while (lookingAt(cursor, /[;\n]/y) === null) {
    if (lookingAt(cursor, /[&|<>()]|$/y) !== null) throw new Outside('a loop of another form');
    words.push(...readWords(cursor));
    skipBlanks(cursor);
  }
  take(cursor, /;/y);
  skipLines(cursor);
  return block(cursor, start, [readKeywordPart(cursor, 'do')], 'done', { name, words });
}

const unary = /-[defhrswxzn](?=[ \t])/y;
const binary = /(?:==?|!=)(?=[ \t])/y;

/** Nothing is split in there; unquoted, only the right side would be a pattern. */
function readTest(cursor: Cursor, start: number): Test {
  const next = () => {
    skipBlanks(cursor);
    return readOneWord(cursor);
  };
  skipBlanks(cursor);
  const sign = take(cursor, unary)?.[0];
  const left = next();
  skipBlanks(cursor);
  const words: (PlainWord | string)[] = sign === undefined ? [left] : [sign, left];
  if (sign === undefined) {
    const relation = take(cursor, binary)?.[0];
    const right = relation === undefined ? [] : next();
    if (relation === undefined || !isOneValue(right)) throw new Outside('[[ of another form');
    words.push(relation, right);
  }
  // What looks like an operator would be one again without its quotes.
  const isWord =
    left.every(({ kind }) => kind === 'text' || kind === 'value') && !/^[-!]/.test(textOf(left) ?? '');
  if (!isWord) throw new Outside('[[ of another form');
  skipBlanks(cursor);
  takeKeyword(cursor, ']]');
  const redirects = readRedirects(cursor);
  return { kind: 'test', text: cursor.text.slice(start, cursor.at), words, redirects };
}

function isOneValue(word: PlainWord): boolean {
  return (
    word.length > 0 &&
    word.every((piece) => piece.kind === 'text' || (piece.kind === 'value' && piece.quoted))
  );
}

const strangeSetting = /[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]\n]*\])?(?:\+=|=\()/y;

function readSimple(cursor: Cursor): Simple {
  const start = cursor.at;
  const settings: Setting[] = [];
  const words: PlainWord[] = [];
  const redirects: Redirect[] = [];
  let end = start;
  for (;;) {
    const found = readRedirect(cursor);
    if (words.length === 0 && lookingAt(cursor, strangeSetting) !== null) throw new Outside(near(cursor));
    const set = words.length > 0 ? undefined : take(cursor, /([A-Za-z_][A-Za-z0-9_]*)=(?!\()/y)?.[1];
    if (found !== undefined) redirects.push(...found);
    else if (set !== undefined) settings.push({ name: set, value: readValue(cursor) });
    else if (lookingAt(cursor, wordEnd) !== null && lookingAt(cursor, /(?<=^|[ \t\n])<\((?!\()/y) === null)
      break;
    else words.push(...readWords(cursor));
    end = cursor.at;
    skipBlanks(cursor);
  }
  const sign = lookingAt(cursor, /[(<>]/y)?.[0];
  if (sign !== undefined) throw new Outside(near(cursor));
  if (words.length === 0 && (settings.length === 0 || redirects.length > 0)) throw new Outside('no program');
  return { kind: 'simple', text: cursor.text.slice(start, end), settings, words, redirects };
}

function readValue(cursor: Cursor): PlainWord {
  if (lookingAt(cursor, wordEnd) !== null) return [];
  return readOneWord(cursor);
}

function readRedirects(cursor: Cursor): Redirect[] {
  const redirects: Redirect[] = [];
  for (;;) {
    skipBlanks(cursor);
    const found = readRedirect(cursor);
    if (found === undefined) return redirects;
    redirects.push(...found);
  }
}

function readRedirect(cursor: Cursor): Redirect[] | undefined {
  const copy = take(cursor, /([0-9]?)>&([0-9]|-)(?=[ \t\n;&|)]|$)/y);
  if (copy !== undefined) return [{ kind: 'copy', number: copy[1] ?? '', target: copy[2] ?? '' }];
  const input = take(cursor, /<<<[ \t]*/y);
  if (input !== undefined) return [{ kind: 'input', word: readInput(cursor) }];
  const heredoc = take(cursor, /<<(-?)[ \t]*(['"]?)([A-Za-z0-9_]+)\2(?=[ \t\n;&|<>)])/y);
  if (heredoc !== undefined) return [readHeredocStart(cursor, heredoc)];
  const file = take(cursor, /(?:([0-9]?)(<|>>|>\||>)|&(>>?))(?![<>&(|])[ \t]*/y);
  if (file === undefined) {
    if (lookingAt(cursor, /[0-9]+[<>]/y) !== null) throw new Outside(near(cursor));
    return undefined;
  }
  const [, number = '', one, both] = file;
  if (lookingAt(cursor, wordEnd) !== null) throw new Outside('a redirect without a name');
  const target = textOf(readOneWord(cursor));
  if (target === undefined) throw new Outside('a redirect whose name is known only when it runs');
  const redirect: Redirect = { kind: 'file', number, sign: (one ?? both) as '<', target };
  return both === undefined ? [redirect] : [redirect, errorsToo];
}

function readInput(cursor: Cursor): PlainWord {
  const found = lookingAt(cursor, wordEnd) === null ? readOneWord(cursor) : [];
  if (!isOneValue(found)) throw new Outside('<<< with more than plain or quoted words');
  return found;
}

/** It becomes a text in quotes, so it must be mere text. */
function readHeredocStart(cursor: Cursor, [, tabs, quote, end = '']: RegExpExecArray): Redirect {
  const redirect: { kind: 'input'; word: PlainWord } = { kind: 'input', word: [] };
  const found = (text: string) => {
    if (quote === '' && /[$`\\]/.test(text))
      throw new Outside(`a heredoc with expansions; quote its end as '${end}'`);
    if (text === '') throw new Outside('a heredoc of nothing');
    // A text behind <<< gets a line end.
    redirect.word = [{ kind: 'text', text: text.slice(0, -1) }];
  };
  cursor.heredocs.push({ at: cursor.at, end, tabs: tabs === '-', found });
  return redirect;
}
