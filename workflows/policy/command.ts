// Splits a shell command into every simple command it would run: through pipes, lists, blocks, substitutions and loops.
// A text in the language of plain commands is known, and has a form in which it runs. Every other one is in doubt.
import { programDoubt, settingDoubt } from './command-doubt.ts';
import { guessCommands } from './command-guess.ts';
import { commandsInside, wrappedDoubt } from './command-inside.ts';
import { toWord, type Word } from './command-word.ts';
import { readPlain } from './plain-command.ts';
import type { Block, List, PlainCommand, PlainWord, Redirect, Simple } from './plain-syntax.ts';
import { writePlain } from './plain-text.ts';

export interface SimpleCommand {
  /** As it is written. */
  text: string;
  /** The program and its arguments; empty where something is done without a program. */
  words: readonly Word[];
  /** Words beside the arguments that may name files: targets of redirections, values of variables, loop lists. */
  files: readonly Word[];
  /** At the moment of use: those words, and where links lead that its arguments name; not where its program is. */
  reads?: readonly Word[];
  /** Its input is the value of a variable, or holds it. */
  showsValue?: true;
  /** Why more or something else may run than the words say. */
  hidden?: string;
  /** Why it is not harmless although it is known what runs. */
  caution?: string;
  /** Words inside of another command that may be run as one: they can forbid it and never allow it. */
  inner: boolean;
  /** Inner, and its words are words of the command around it: names of files are looked for there. */
  tail?: true;
}

export interface SplitCommand {
  commands: SimpleCommand[];
  /** The text that runs exactly these; undefined when the command is more than plain commands. */
  runs?: string;
}

// Longer than commands written by hand; the parser that guesses is slow with deep ones.
const longestText = 20_000;
// One argument of a program may hold 128 KiB on Linux, and a sign has up to four bytes.
const longestWritten = 30_000;
// Commands inside of commands, as in bash -c "eval '…'".
const deepestText = 3;
// Every command and every word, and every piece that may be a name, is held against every pattern. A long build script
// has a tenth of this.
const mostCommands = 300;
const mostNames = 3000;
// A glob is held against the globs of every rule sign by sign. So many signs are a screen full of them.
const mostGlobSigns = 500;
const tooMuch = 'it runs too much to be looked through; split it';

export function splitCommand(text: string, depth = 0): SplitCommand {
  if (text.length > longestText) return inDoubt(text, 'it is too long to be looked through');
  const plain = readPlain(text);
  const runs = 'list' in plain ? writePlain(plain.list) : '';
  const commands = 'list' in plain ? commandsOf(plain.list, depth) : guess(text, plain.outside, depth);
  // A tail begins at a word that is counted, and holds no others.
  const counted = commands.filter(({ tail }) => tail !== true);
  const words = counted.flatMap((each) => [...each.words, ...each.files]);
  const globSigns = words.reduce((sum, { glob = '' }) => sum + glob.length, 0);
  const isSmall = counted.length <= mostCommands && namesIn(words) <= mostNames && globSigns <= mostGlobSigns;
  if (!isSmall || runs.length > longestWritten) return inDoubt(text, tooMuch);
  return 'list' in plain ? { commands, runs } : { commands };
}

function namesIn(words: readonly Word[]): number {
  return words.reduce((sum, { raw }) => sum + 1 + (raw.match(/[=:@,{}]/g)?.length ?? 0), 0);
}

function inDoubt(text: string, hidden: string): SplitCommand {
  return { commands: [{ text: text.slice(0, 200), words: [], files: [], hidden, inner: false }] };
}

function guess(text: string, outside: string, depth: number): SimpleCommand[] {
  const hidden = `it is more than plain commands (${outside}): write it in plain ones, ask, or write it as a script file`;
  return guessCommands(text).flatMap((each) => [{ ...each, hidden, inner: false }, ...insideOf(each, depth)]);
}

function commandsOf(list: List, depth: number): SimpleCommand[] {
  const found: SimpleCommand[] = [];
  const visitWords = (words: readonly PlainWord[], read: readonly Redirect[]) => {
    for (const piece of words.flat()) if ('list' in piece) visit(piece.list, read);
  };
  const visitCommand = (command: PlainCommand, read: readonly Redirect[]) => {
    if (command.kind === 'simple') {
      found.push(...readSimple({ ...command, redirects: [...read, ...command.redirects] }, depth));
      visitWords([...command.words, ...command.settings.map(({ value }) => value)], read);
    } else if (command.kind === 'test') {
      const files = command.words.flatMap((word) => (typeof word === 'string' ? [] : toWord(word)));
      found.push(withRedirects({ ...command, words: [] }, files));
    } else {
      found.push(...readBlock(command));
      visitWords(command.loop?.words ?? [], read);
      // Each command in a block may read what the block is given.
      const given = [
        ...read,
        ...command.redirects.filter(
          (each) => each.kind === 'input' || (each.kind === 'file' && each.sign === '<'),
        ),
      ];
      for (const part of command.parts) visit(part.list, given);
    }
  };
  const visit = (inside: List, read: readonly Redirect[]) => {
    for (const { pipelines } of inside)
      for (const { pipeline } of pipelines)
        for (const command of pipeline.commands) visitCommand(command, read);
  };
  visit(list, []);
  return found;
}

function readSimple({ text, words: written, settings, redirects }: Simple, depth: number): SimpleCommand[] {
  const whole = written.map(toWord);
  const isTimed =
    whole[0]?.text === 'timeout' && /^[0-9]+[smhd]?$/.test(whole[1]?.text ?? '') && whole.length > 2;
  const words = isTimed ? whole.slice(2) : whole;
  const around = judgeRedirects(redirects);
  const hidden =
    settings.map(({ name }) => settingDoubt(name, words.length > 0)).find((doubt) => doubt !== undefined) ??
    programDoubt(words) ??
    wrappedDoubt(words) ??
    around.hidden;
  const command: SimpleCommand = {
    ...around,
    text,
    words,
    files: [...around.files, ...settings.map(({ value }) => toWord(value))],
    ...(hidden !== undefined && { hidden }),
    // Setting a variable of the shell runs nothing, but its value may be a name that is forbidden.
    inner: words.length === 0 && hidden === undefined && around.caution === undefined,
  };
  // By its own name it can be forbidden still.
  const timed: SimpleCommand[] = isTimed ? [{ text, words: whole, files: [], inner: true }] : [];
  return [command, ...timed, ...insideOf(command, depth)];
}

/** What a program may run of its arguments. */
function insideOf({ text, words }: Pick<SimpleCommand, 'text' | 'words'>, depth: number): SimpleCommand[] {
  const { tails, texts } = commandsInside(words);
  const commands = depth < deepestText ? texts.flatMap((each) => splitCommand(each, depth + 1).commands) : [];
  return [
    ...tails.map((tail): SimpleCommand => ({ text, words: tail, files: [], inner: true, tail: true })),
    ...commands.map((command) => ({ ...command, inner: true })),
  ];
}

function readBlock(block: Block): SimpleCommand[] {
  const hidden = block.loop && settingDoubt(block.loop.name, false);
  const command = withRedirects(block, block.loop?.words.map(toWord) ?? []);
  return [{ ...command, ...(hidden !== undefined && { hidden, inner: false }) }];
}

function withRedirects({ text, redirects }: PlainCommand, files: readonly Word[]): SimpleCommand {
  const around = judgeRedirects(redirects);
  const isHarmless = around.hidden === undefined && around.caution === undefined;
  return { ...around, files: [...around.files, ...files], text, words: [], inner: isHarmless };
}

// Writing there changes nothing.
const nowhere = /^\/dev\/(null|stdout|stderr|fd\/[0-9]+)$/;

type Around = Pick<SimpleCommand, 'files' | 'hidden' | 'caution' | 'showsValue'>;

function judgeRedirects(redirects: readonly Redirect[]): Around {
  const named = redirects.filter((each) => each.kind === 'file');
  const hidden = named.find(({ target }) => /^\/dev\/(tcp|udp)\//.test(target));
  const given = redirects.flatMap((each) => (each.kind === 'input' ? [toWord(each.word)] : []));
  const showsValue = given.some(({ text, status }) => text === undefined && status !== true);
  const written = named.find(({ sign, target }) => sign !== '<' && !nowhere.test(target));
  return {
    files: named.map(({ target }) => ({ text: target, splits: false, raw: target })),
    ...(hidden && { hidden: `${hidden.target} opens a connection` }),
    ...(showsValue && { showsValue }),
    ...(written && { caution: `it writes to ${written.target}; use a tool that writes files` }),
  };
}
