// Splits a shell command into every simple command it would run: through pipes, lists, subshells, substitutions,
// heredocs and functions. What it does not know for certain it says; it never guesses in favour of a command.
import {
  type Command,
  forEachChild,
  type ParsedScript,
  parse,
  type Redirection,
  type SyntaxNode,
} from 'unbash';
import { assignmentDoubt, builtinDoubt, commandsInside, nodeDoubt } from './command-doubt.ts';
import { readWord, type Word } from './command-word.ts';

export interface SimpleCommand {
  /** As it is written. */
  text: string;
  /** The program and its arguments; empty where something is done without a program. */
  words: readonly Word[];
  /** Words beside the arguments that may name files: targets of redirections, values of variables, loop lists. */
  files: readonly Word[];
  /** Why more or something else may run than the words say. */
  hidden?: string;
  /** Why it is not harmless although it is known what runs. */
  caution?: string;
  /** What it gets that its words do not show: input from a file or a text, variables. */
  beside?: string;
  /** Words inside of another command that may be run as one: they can forbid it and never allow it. */
  inner: boolean;
}

// The parser's time grows with the square of the depth; nobody writes a longer command by hand.
const longestText = 20_000;
// Commands inside of commands, as in bash -c "eval '…'".
const deepestText = 3;
// Every command and every word, and every piece that may be a name, is held against every pattern. A long build script
// has a tenth of this.
const mostCommands = 300;
const mostNames = 3000;
// A glob is held against the globs of every rule sign by sign. So many signs are a screen full of them.
const mostGlobSigns = 500;
const tooMuch = 'it runs too much to be looked through; split it';

export function splitCommand(text: string, depth = 0): SimpleCommand[] {
  if (text.length > longestText) return [inDoubt(text.slice(0, 200), 'it is too long to be looked through')];
  try {
    const commands = commandsOf(parse(text), text, depth);
    const words = commands.flatMap((each) => [...each.words, ...each.files]);
    const isSmall =
      commands.length <= mostCommands && namesIn(words) <= mostNames && globSignsIn(words) <= mostGlobSigns;
    if (isSmall) return commands;
    const [hidden = tooMuch] = commands.flatMap((each) => each.hidden ?? []);
    return [inDoubt(text.slice(0, 200), hidden)];
  } catch (error) {
    // The parser gives up on some input by throwing, on deep nests for one: that input is not understood.
    if (!(error instanceof Error)) throw error;
    return [inDoubt(text.slice(0, 200), 'it cannot be read')];
  }
}

function namesIn(words: readonly Word[]): number {
  return words.reduce((sum, { raw }) => sum + 1 + (raw.match(/[=:@,{}]/g)?.length ?? 0), 0);
}

function globSignsIn(words: readonly Word[]): number {
  return words
    .flatMap(({ globs = [] }) => (globs === 'unknown' ? [] : globs))
    .reduce((sum, glob) => sum + glob.length, 0);
}

function inDoubt(text: string, hidden: string): SimpleCommand {
  return { text, words: [], files: [], hidden, inner: false };
}

/** Positions in a tree count in one text; a substitution in escaped backticks has a text of its own. */
function commandsOf(script: ParsedScript, text: string, depth: number): SimpleCommand[] {
  const found: SimpleCommand[] = [];
  const visit = (node: SyntaxNode): void => {
    if (node.type === 'Script' && node.source !== undefined && node !== script) {
      found.push(...commandsOf(node, node.source, depth));
      return;
    }
    const written = text.slice(node.pos, node.end);
    const hidden = nodeDoubt(node);
    if (hidden !== undefined) found.push(inDoubt(written, hidden));
    if (node.type === 'Command') found.push(...readCommand(node, written, depth));
    if (node.type === 'Redirected') found.push(withRedirects(written, node.redirects));
    if (node.type === 'For') {
      const files = (node.wordlist ?? []).map(readWord);
      found.push({ text: written, words: [], files, inner: true });
    }
    forEachChild(node, visit);
  };
  visit(script);
  return found;
}

function readCommand(node: Command, text: string, depth: number): SimpleCommand[] {
  const words = [...(node.name === undefined ? [] : [node.name]), ...node.args].map(readWord);
  const assignments = node.prefix.filter((each) => each.type === 'Assignment');
  const redirects = judgeRedirects(node.redirects);
  const hidden =
    assignments.map((each) => assignmentDoubt(each, words.length > 0)).find((each) => each !== undefined) ??
    builtinDoubt(node, words) ??
    redirects.hidden;
  const values = assignments.flatMap(({ value }) =>
    (value.type === 'Word' ? [value] : value.elements).map(readWord),
  );
  const command: SimpleCommand = {
    ...redirects,
    text,
    words,
    files: [...redirects.files, ...values],
    ...(hidden !== undefined && { hidden }),
    ...(assignments.length > 0 && { beside: 'it sets variables for what it runs' }),
    // Setting a variable of the shell runs nothing, but its value may be a name that is forbidden.
    inner: words.length === 0 && hidden === undefined && redirects.caution === undefined,
  };
  const inside = commandsInside(words).flatMap((each): Omit<SimpleCommand, 'inner'>[] => {
    if (typeof each !== 'string') return [{ text, words: each, files: [] }];
    return depth < deepestText ? splitCommand(each, depth + 1) : [];
  });
  return [command, ...inside.map((each) => ({ ...each, inner: true }))];
}

function withRedirects(text: string, redirections: readonly Redirection[]): SimpleCommand {
  const redirects = judgeRedirects(redirections);
  const isHarmless = redirects.hidden === undefined && redirects.caution === undefined;
  return { ...redirects, text, words: [], inner: isHarmless };
}

interface Redirects {
  files: Word[];
  hidden?: string;
  caution?: string;
  beside?: string;
}

// Writing there changes nothing.
const nowhere = /^\/dev\/(null|stdout|stderr|fd\/[0-9]+)$/;

function judgeRedirects(redirections: readonly Redirection[]): Redirects {
  const files: Word[] = [];
  const hidden: string[] = [];
  const caution: string[] = [];
  const gets = redirections.some(({ operator }) => operator.startsWith('<'));
  for (const redirection of redirections) {
    if (redirection.descriptor?.type === 'FileDescriptorVariable')
      hidden.push('a redirection sets a variable');
    if (redirection.type === 'HereDoc' && redirection.closing === undefined)
      hidden.push('a heredoc has no end');
    if (redirection.type !== 'Redirect') continue;
    const word = redirection.target && readWord(redirection.target);
    const target = word?.text;
    if (word === undefined || target === undefined)
      hidden.push('where a redirection leads is known only when it runs');
    else if (/^\/dev\/(tcp|udp)\//.test(target)) hidden.push(`${target} opens a connection`);
    else if (/^[<>]&$/.test(redirection.operator) && /^(\d+-?|-)$/.test(target)) continue;
    else {
      files.push(word);
      const writes = redirection.operator !== '<' && redirection.operator !== '<&' && !nowhere.test(target);
      if (writes) caution.push(`it writes to ${target}; use a tool that writes files`);
    }
  }
  return {
    files,
    ...(hidden[0] !== undefined && { hidden: hidden[0] }),
    ...(caution[0] !== undefined && { caution: caution[0] }),
    ...(gets && { beside: 'it gets input that its words do not show' }),
  };
}
