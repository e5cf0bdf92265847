// Patterns for commands. They match argument by argument: a word is itself, `*` is one argument that is no option and,
// where it allows, no @file of options; `**` at the end is any rest. Single quotes make a word literal, blanks and stars included.
import type { SimpleCommand } from './command.ts';
import { normalizePath } from './path.ts';

/** `maybe`: it cannot be told before the command runs. */
export type Match = 'yes' | 'no' | 'maybe';

type Token = { kind: 'word'; text: string } | { kind: 'one' } | { kind: 'rest' };
export type CommandPattern = readonly Token[];

// One word: quoted stretches (with '\'' for a quote) and plain ones in any order.
const wordShape = /(?:'[^']*'|\\'|[^\s'])+/y;
// These join or change commands; a pattern is for one command.
const shellCharacters = /[;|&<>()$`"\\]/;

export function parsePattern(pattern: string): CommandPattern | { problem: string } {
  const tokens: Token[] = [];
  const text = pattern.trim();
  for (let at = 0; at < text.length; ) {
    wordShape.lastIndex = at;
    const raw = wordShape.exec(text)?.[0];
    if (raw === undefined) return { problem: 'has a single quote without its partner' };
    const token = toToken(raw);
    if ('problem' in token) return token;
    tokens.push(token);
    at += raw.length;
    while (at < text.length && /\s/.test(text.charAt(at))) at += 1;
  }
  if (tokens.length === 0) return { problem: 'is empty' };
  if (tokens[0]?.kind === 'one')
    return { problem: 'begins with *; name the program, or write ** for all commands' };
  if (tokens.slice(0, -1).some(({ kind }) => kind === 'rest')) {
    return { problem: 'goes on after **, which stands for any rest and comes last' };
  }
  return tokens;
}

function toToken(raw: string): Token | { problem: string } {
  if (raw === '*') return { kind: 'one' };
  if (raw === '**') return { kind: 'rest' };
  // From left to right in one go: a backslash inside of quotes is only itself.
  const plain = raw.replace(/'[^']*'|\\'/g, '');
  if (plain.includes('*'))
    return { problem: `has * inside the word ${raw}; * stands for a whole argument, '*' for itself` };
  if (shellCharacters.test(plain)) {
    return {
      problem: `has more than words in ${raw}; write one pattern for each command, and quote what is literal`,
    };
  }
  return {
    kind: 'word',
    text: raw.replace(/'([^']*)'|\\'/g, (whole, inner: string | undefined) => inner ?? whole.slice(1)),
  };
}

/**
 * For a rule that allows: the words as they stand, nothing about the command in doubt, and no `*` that leads out of the
 * project.
 */
export function allowsCommand(pattern: CommandPattern, command: SimpleCommand, root: string | null): boolean {
  if (command.hidden !== undefined || command.caution !== undefined || command.words.length === 0)
    return false;
  if (isOtherProgram(pattern, command) || matchWords(pattern, command.words) !== 'yes') return false;
  return pattern.every(
    ({ kind }, index) => kind !== 'one' || !leadsOut(command.words[index]?.text ?? '', root),
  );
}

/** Whether a word names, or may name, what is not in the project. */
export function leadsOut(word: string, root: string | null, beside: readonly string[] = []): boolean {
  // Some programs read their arguments from such a file, and the origin of those words is not known.
  if (word.startsWith('@')) return true;
  if (!/^\/|\.\.|\\/.test(word)) return false;
  return normalizePath(word, root, beside).kind !== 'inside';
}

/**
 * For a rule that asks or denies: a program is also met by its path, and options in between do not hide what the
 * pattern names. What is not understood is `maybe`.
 */
export function forbidsCommand(pattern: CommandPattern, command: SimpleCommand): Match {
  if (command.hidden === undefined && isOtherProgram(pattern, command)) return 'no';
  const words = command.words.map((word, index) =>
    index === 0 && word.text !== undefined ? { ...word, text: word.text.replace(/^.*\//s, '') } : word,
  );
  const named = pattern.some((token) => token.kind === 'word' && token.text.startsWith('-'));
  const withoutOptions = words.filter(({ text }, index) => index === 0 || !text?.startsWith('-'));
  const found = [command.words, words, ...(named ? [] : [withoutOptions])].map((each) =>
    matchWords(pattern, each),
  );
  if (found.includes('yes')) return 'yes';
  return command.hidden !== undefined || found.includes('maybe') ? 'maybe' : 'no';
}

/** Most rules are about other programs, and most of the time is spent on finding that out. */
function isOtherProgram([token]: CommandPattern, { words: [program] }: SimpleCommand): boolean {
  if (token?.kind !== 'word' || program?.text === undefined) return false;
  return program.text !== token.text && !program.text.endsWith(`/${token.text}`);
}

function matchWords(pattern: CommandPattern, words: SimpleCommand['words']): Match {
  let sure = true;
  for (const [index, token] of pattern.entries()) {
    if (token.kind === 'rest') return sure ? 'yes' : 'maybe';
    const word = words[index];
    if (word === undefined) return 'no';
    // It may become any number of arguments, so the place of what follows is not known.
    if (word.splits) return 'maybe';
    if (word.text === undefined) sure = false;
    else if (token.kind === 'one' ? word.text.startsWith('-') : word.text !== token.text) return 'no';
  }
  const rest = words.slice(pattern.length);
  if (rest.some(({ splits }) => !splits)) return 'no';
  return sure && rest.length === 0 ? 'yes' : 'maybe';
}
