// Looks through a text that lies outside of the language of plain commands, for rules that forbid: which programs and
// names are in it, as another parser sees it. Nothing is allowed because of it, so it may be wrong.
import {
  type CommandArgument,
  forEachChild,
  parse,
  type ParsedScript,
  type Redirection,
  type SyntaxNode,
  type Word as WordNode,
  type WordPart,
} from 'unbash';
import type { Word } from './command-word.ts';

export interface Guess {
  text: string;
  words: readonly Word[];
  /** Names beside the arguments. */
  files: readonly Word[];
}

/** Never empty. */
export function guessCommands(text: string): Guess[] {
  try {
    const found = guessIn(parse(text), text);
    return found.length > 0 ? found : [{ text, words: [], files: [] }];
  } catch (error) {
    // The parser gives up on some input by throwing, on deep nests for one.
    if (!(error instanceof Error)) throw error;
    return [{ text, words: [], files: [] }];
  }
}

/** Positions in a tree count in one text; a substitution in escaped backticks has a text of its own. */
function guessIn(script: ParsedScript, text: string): Guess[] {
  const found: Guess[] = [];
  const visit = (node: SyntaxNode): void => {
    if (node.type === 'Script' && node.source !== undefined && node !== script) {
      found.push(...guessIn(node, node.source));
      return;
    }
    const written = text.slice(node.pos, node.end);
    if (node.type === 'Command') {
      const words = [...(node.name === undefined ? [] : [node.name]), ...node.args].map(guessWord);
      const values = node.prefix.flatMap((each) => {
        if (each.type !== 'Assignment') return [];
        return each.value.type === 'Word' ? [each.value] : each.value.elements;
      });
      found.push({ text: written, words, files: [...values.map(guessWord), ...targetsOf(node.redirects)] });
    }
    if (node.type === 'Redirected')
      found.push({ text: written, words: [], files: targetsOf(node.redirects) });
    if (node.type === 'For')
      found.push({ text: written, words: [], files: (node.wordlist ?? []).map(guessWord) });
    forEachChild(node, visit);
  };
  visit(script);
  return found;
}

function targetsOf(redirections: readonly Redirection[]): Word[] {
  return redirections.flatMap((each) =>
    each.type === 'Redirect' && each.target ? [guessWord(each.target)] : [],
  );
}

function guessWord(word: CommandArgument): Word {
  const written: WordNode | undefined =
    word.type !== 'Assignment' ? word : word.value.type === 'Word' ? word.value : undefined;
  const value = written?.value ?? word.text;
  const raw = word.type === 'Assignment' ? `${word.name}=${value}` : value;
  const isKnown =
    (written?.parts ?? []).every(isLiteral) &&
    !/[*?$`~]|\[.*\]|\{.*(,|\.\.)/s.test(written?.parts === undefined ? value : '');
  return isKnown ? { text: raw, splits: false, raw } : { text: undefined, splits: true, raw };
}

function isLiteral(part: WordPart): boolean {
  if (part.type === 'DoubleQuoted') return part.parts.every(({ type }) => type === 'Literal');
  return part.type === 'Literal' || part.type === 'SingleQuoted' || part.type === 'AnsiCQuoted';
}
