// Compares what policy judged with what a real shell runs, for as long as is wanted: every text that a profile allows is
// run in the form in which it would run, and nothing but the judged commands may have run then.
import { existsSync, readFileSync } from 'node:fs';
import { createDice, type Dice } from '../../../chaos/dice.ts';
import type { PolicyProfile } from '../../../../workflows/contracts/policy.ts';
import { splitCommand } from '../../../../workflows/policy/command.ts';
import { guessCommands } from '../../../../workflows/policy/command-guess.ts';
import { programDoubt } from '../../../../workflows/policy/command-doubt.ts';
import type { Word } from '../../../../workflows/policy/command-word.ts';
import { readPlain } from '../../../../workflows/policy/plain-command.ts';
import { builtInProfiles } from '../../../../workflows/policy/presets.ts';
import { call, decide, profileWith } from '../decide.ts';
import { type Expected, expectedOf } from './expected.ts';
import { bash, createShells } from './shell.ts';
import { createTextSource } from './texts.ts';

export interface FuzzSettings {
  seed: number;
  /** Asked between batches: whether that is enough. */
  until(soFar: FuzzResult): boolean;
  /** Texts to begin with; those that agents write, unless said otherwise. */
  corpus?: readonly string[];
  /** Of the allowed texts one in so many is run; all, unless said otherwise. */
  runOneIn?: number;
  /**
   * `written`: what was judged, in the form in which it runs. `own`: the model's text by the word of the parser that only
   * guesses, as it would be without a language of our own.
   */
  form?: 'written' | 'own';
}

export interface Difference {
  text: string;
  ran: string;
  why: string;
}

export interface FuzzResult {
  seed: number;
  decisions: number;
  allowed: number;
  /** Run in a real shell, and of these the ones whose every run was told in advance. */
  ran: number;
  told: number;
  differences: Difference[];
}

export const canFuzz = existsSync(bash);

const agentCommands = Object.keys(
  JSON.parse(readFileSync(new URL('../agent-commands.json', import.meta.url), 'utf8')) as object,
);

const profiles: readonly PolicyProfile[] = [
  ...builtInProfiles.filter(
    ({ id }) => id === 'headless-permissive-sandbox' || id === 'headless-safe-sandbox',
  ),
  profileWith([
    { commands: ['git status', 'git log **', 'ls **', 'echo **', 'cat **', 'nope'], decision: 'allow' },
  ]),
  profileWith([{ commands: ['touch **', 'curl **', 'rl **', 'cu **'], decision: 'deny' }], {
    mode: 'delegate',
  }),
];

interface Candidate {
  text: string;
  /** What is given to the shell. */
  runs: string;
  judged: readonly { words: readonly Word[]; files?: readonly Word[] }[];
  /** Undefined where only the words can be compared. */
  expected: Expected | undefined;
}

const batchSize = 200;
// More would only make the same known to the shell again.
const mostRemembered = 200_000;

export function fuzzCommands({
  seed,
  until,
  corpus = agentCommands,
  runOneIn = 1,
  form = 'written',
}: FuzzSettings): FuzzResult {
  const result: FuzzResult = { seed, decisions: 0, allowed: 0, ran: 0, told: 0, differences: [] };
  const dice = createDice(seed);
  const source = createTextSource(corpus);
  const shells = createShells();
  const seen = new Set<string>();
  let batch: Candidate[] = [];
  const runBatch = () => {
    compare(shells, batch, result);
    batch = [];
  };
  try {
    for (let count = 0; count % batchSize !== 0 || !until(result); count += 1) {
      const text = source.next(dice);
      const candidate = form === 'own' ? readingOnly(guessed(text)) : judged(text, dice, result);
      result.decisions += form === 'own' ? 1 : profiles.length;
      if (candidate === undefined) continue;
      result.allowed += 1;
      if (seen.has(candidate.runs) || !dice.chance(1 / runOneIn)) continue;
      if (seen.size < mostRemembered) seen.add(candidate.runs);
      batch.push(candidate);
      if (batch.length === batchSize) runBatch();
    }
    runBatch();
    return result;
  } finally {
    shells.close();
  }
}

/** Runs these texts as they are, by the word of the parser that guesses; for texts of which one knows what they do. */
export function compareTexts(texts: readonly string[]): Difference[] {
  const result: FuzzResult = { seed: 0, decisions: 0, allowed: 0, ran: 0, told: 0, differences: [] };
  const shells = createShells();
  try {
    compare(
      shells,
      texts.flatMap((text) => guessed(text) ?? []),
      result,
    );
    return result.differences;
  } finally {
    shells.close();
  }
}

function judged(text: string, dice: Dice, result: FuzzResult): Candidate | undefined {
  let runs: string | undefined;
  for (const profile of profiles) {
    const decided = decide(profile, call('execute', text));
    if (decided.decision !== 'allow') continue;
    const fail = (why: string) => result.differences.push({ text, ran: '', why });
    if (decided.runs === undefined) fail(`${profile.id} allows it as it is`);
    else if (runs !== undefined && runs !== decided.runs) fail('two profiles run two texts');
    else if (runs === undefined && dice.chance(0.1)) {
      const again = decide(profile, call('execute', decided.runs));
      if (again.decision !== 'allow' || again.runs !== decided.runs)
        fail(`what runs is judged otherwise: ${decided.runs}`);
    }
    runs ??= decided.runs;
  }
  const plain = readPlain(text);
  if (runs === undefined || !('list' in plain)) return undefined;
  const expected = expectedOf(plain.list);
  // It might go round for ever.
  if (expected === undefined && /\b(while|until)\b/.test(runs)) return undefined;
  // What is looked for inside of a command can only forbid; a limit of time is a program that runs.
  const judgedCommands = splitCommand(text).commands.filter(
    ({ inner, words }) => !inner || words[0]?.text === 'timeout',
  );
  return { text, runs, judged: judgedCommands, expected };
}

const harmless = /^(git|ls|cat|npm|grep|head|wc|node|pytest|nope|echo|true|false)$/;

/** What would be allowed on the guess alone, where it is about programs that do nothing else. */
function guessed(text: string): Candidate | undefined {
  if (/[\0]|while|until|for/.test(text)) return undefined;
  const commands = guessCommands(text);
  const outer = commands.filter(({ words }) => words.length > 0);
  if (outer.length === 0 || outer.some(({ words }) => programDoubt(words) !== undefined)) return undefined;
  if (outer.some(({ words: [first] }) => !harmless.test(first?.text ?? ''))) return undefined;
  return { text, runs: text, judged: outer, expected: undefined };
}

/** Files it names may be ones that it writes, which is no news. */
function readingOnly(candidate: Candidate | undefined): Candidate | undefined {
  return candidate?.judged.some(({ files = [] }) => files.length > 0) === true ? undefined : candidate;
}

function compare(
  shells: ReturnType<typeof createShells>,
  batch: readonly Candidate[],
  result: FuzzResult,
): void {
  if (batch.length === 0) return;
  const all = shells.run(batch.map(({ runs }) => runs));
  result.ran += batch.length;
  result.told += batch.filter(({ expected }) => expected !== undefined).length;
  const strange = shells.newFiles();
  const suspects = batch.filter(
    (each, index) => strange.length > 0 || problemOf(each, all[index]?.runs ?? []) !== undefined,
  );
  for (const each of suspects) {
    // By itself, for what runs beside it may have ended late, and as in the product, where alone some of it shows.
    const runs = shells.run([each.runs], 'whole')[0]?.runs ?? [];
    const made = shells.newFiles();
    const why = made.length > 0 ? `it made the file ${made.join(', ')}` : problemOf(each, runs);
    if (why !== undefined) result.differences.push({ text: each.text, ran: each.runs, why });
  }
}

function problemOf({ judged: commands, expected }: Candidate, runs: readonly string[][]): string | undefined {
  const stranger = runs.find((argv) => !commands.some(({ words }) => mayBecome(words, argv)));
  if (stranger !== undefined) return `${JSON.stringify(stranger)} ran and was not judged`;
  if (expected === undefined) return undefined;
  const [wanted, ran] = [expected.runs, runs].map((list) => list.map((argv) => JSON.stringify(argv)));
  if (wanted === undefined || ran === undefined) return undefined;
  if (expected.unordered) for (const list of [wanted, ran]) list.sort();
  return wanted.join('\n') === ran.join('\n')
    ? undefined
    : `expected ${wanted.join(' ')}, and ran ${ran.join(' ')}`;
}

function mayBecome([word, ...words]: readonly Word[], argv: readonly string[]): boolean {
  if (word === undefined) return argv.length === 0;
  if (word.splits) {
    return argv.some((_, index) => mayBecome(words, argv.slice(index))) || mayBecome(words, []);
  }
  const [first, ...rest] = argv;
  return first !== undefined && (word.text ?? first) === first && mayBecome(words, rest);
}
