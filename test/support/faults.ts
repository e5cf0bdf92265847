// What the fault tests share: programs written by hand are played against the product, and everything that was seen
// goes through the chaos checker. A test adds what its own fault must have led to.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Client } from '../../api/client/client.ts';
import { check } from '../chaos/checker.ts';
import { createDice } from '../chaos/dice.ts';
import { type Evidence, type RunState, readFiles, readRuns } from '../chaos/evidence.ts';
import { type Ask, type FakeModel, marked, startFakeModel } from '../chaos/fake-model.ts';
import { type Ledger, startLedger } from '../chaos/ledger.ts';
import { type Played, play } from '../chaos/player.ts';
import { type CallPlan, type Message, type Program, type StepPlan, scriptOf } from '../chaos/program.ts';
import type { RunView } from '../../workflows/contracts/run.ts';
import { until } from './platform.ts';

export interface Theatre {
  model: FakeModel;
  ledger: Ledger;
  /** Plays them all at once. */
  play(product: Product, programs: readonly Program[]): Promise<Played[]>;
  /** Fails when anything the checker knows of did not hold; returns what the database says of the runs. */
  expectRight(product: Product, played: readonly Played[]): Promise<Map<string, RunState>>;
  /** The same for one program of one run. */
  expectOneRight(product: Product, playing: Promise<Played[]>): Promise<RunState>;
  asksOf(program: Program): Ask[];
  /** The model answers none of them at this step of their first run before the function returned is called. */
  hold(programs: readonly Program[], step: number): () => void;
  /** Resolves when the model was asked for the first step of each of them. */
  allBegun(programs: readonly Program[]): Promise<void>;
  /** Resolves when the command of the first call of the program's run has said something. */
  callRuns(product: Product, program: Program): Promise<void>;
  /** How often the effect took place. */
  effectsOf(key: string): number;
}

export interface Product {
  client: Client;
  url: string;
  token: string;
  databaseUrl: string;
  data: string;
}

let nextProgram = 1;
// Beginning takes a second or two, and on a loaded machine a minute; past this a wait says what it waited for.
const longestMs = 120_000;

/** To be called at the top of a test file: model and ledger live as long as the file. */
export async function openTheatre(): Promise<Theatre> {
  const messages = new Map<string, Message>();
  const playedIn = new Map<Program, Product>();
  const ledger = await startLedger(() => 'answers');
  const holds = createHolds();
  const model = await startFakeModel(async ({ marker, step, attempt }) => {
    await holds.over(marker, step);
    return scriptOf(messages.get(marker), step, attempt, ledger.port);
  });
  afterAll(async () => {
    await model.close();
    await ledger.close();
  });

  async function expectRight(product: Product, played: readonly Played[]): Promise<Map<string, RunState>> {
    const runs = await readRuns(product.databaseUrl);
    const evidence: Evidence = {
      played,
      runs,
      faults: [],
      model,
      hits: ledger.hits,
      files: await readFiles(played),
      atHome: new Map(),
      homecomings: [],
      // Some of these end with every process dead.
      money: undefined,
    };
    expect(check(evidence).violations).toEqual([]);
    return runs;
  }

  function asksOf(program: Program): Ask[] {
    const marker = program.messages[0]?.marker;
    return model.asks.filter((ask) => ask.marker === marker);
  }

  async function allBegun(programs: readonly Program[]): Promise<void> {
    const waiting = (): Program[] => programs.filter((program) => asksOf(program).length === 0);
    await until(
      () => waiting().length === 0,
      longestMs,
      async () => {
        const found = await Promise.all(waiting().map((each) => whereIs(playedIn.get(each), each)));
        return `The model was never asked by:\n${found.join('\n')}`;
      },
    );
  }

  return {
    model,
    ledger,
    expectRight,
    asksOf,
    allBegun,
    hold: holds.hold,
    effectsOf: (key) => ledger.hits.filter((hit) => hit.key === key).length,
    async play(product, programs) {
      for (const program of programs) playedIn.set(program, product);
      for (const message of programs.flatMap((program) => program.messages))
        messages.set(message.marker, message);
      const folder = path.join(product.data, 'projects');
      await mkdir(folder, { recursive: true });
      const stage = { url: product.url, token: product.token, model: 'compatible/fake', folder };
      return Promise.all(
        programs.map((program) => play(program, { ...stage, dice: createDice(program.id) })),
      );
    },
    async expectOneRight(product, playing) {
      const [played] = await playing;
      if (!played) throw new Error('Nothing was played.');
      return onlyRun(await expectRight(product, [played]), played);
    },
    async callRuns(product, program) {
      await allBegun([program]);
      const hasSpoken = async (): Promise<boolean> => {
        const run = await findRun(product, program);
        if (!run) return false;
        return (await product.client.runEvents(run.id, { type: 'call-delta' })).items.length > 0;
      };
      await until(hasSpoken, longestMs, () => `No command of program ${program.id} has said anything.`);
    },
  };
}

/** Answers of the model that wait until they are let go. */
function createHolds() {
  const held = new Map<string, Promise<void>>();
  return {
    hold(programs: readonly Program[], step: number): () => void {
      const letGo = Promise.withResolvers<void>();
      for (const program of programs) held.set(`${program.messages[0]?.marker}#${step}`, letGo.promise);
      return letGo.resolve;
    },
    async over(marker: string, step: number): Promise<void> {
      await held.get(`${marker}#${step}`);
    },
  };
}

/** The run of a program's first message, once it was accepted. */
export async function findRun({ client }: Product, program: Program): Promise<RunView | undefined> {
  const marker = marked(program.messages[0]?.marker ?? '');
  // More than any test has begun since.
  const { items } = await client.runs({ limit: 50 });
  return items.find(({ prompt }) => prompt.includes(marker));
}

/** For a person who reads why a wait gave up. */
async function whereIs(product: Product | undefined, program: Program): Promise<string> {
  const run = product && (await findRun(product, program));
  if (!run) return `program ${program.id}, which was not accepted`;
  const { items } = await product.client.runEvents(run.id, {});
  const events = items.slice(-10).map(({ at, type }) => `${at} ${type}`);
  // Of a platform, or of single processes.
  const logs = ['logs/api.log', 'logs/worker.log', 'roles.log'].map((name) => path.join(product.data, name));
  const logged = logs.filter(existsSync).flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  const ofRun = logged.filter((line) => line.includes(run.id));
  return [
    `program ${program.id}, run ${run.id}, ${run.status}: ${events.join(', ')}`,
    ...ofRun.slice(-20),
  ].join('\n');
}

export type StepInput = Partial<Omit<StepPlan, 'words'>> & { words?: number };

/** A program of one run. Every step says some words, then makes its calls; the last one just answers. */
export function aProgram(
  steps: readonly StepInput[],
  {
    project = true,
    ...more
  }: Partial<Pick<Message, 'acts' | 'doubled' | 'asks'> & Pick<Program, 'project'>> = {},
): Program {
  const id = nextProgram;
  nextProgram += 1;
  const marker = `${id}/0`;
  const plans = [...steps, {}].map(({ words = 5, ...step }, index) => ({
    words: Array.from({ length: words }, (_, word) => `${marker}#${index + 1}:${word} `),
    wordMs: 10,
    firstTokenMs: 0,
    calls: [],
    faults: [],
    usage: 'right' as const,
    reusesIds: false,
    ...step,
  }));
  return {
    id,
    project,
    messages: [{ marker, when: 'first', doubled: false, acts: [], ...more, steps: plans }],
  };
}

/** `beforeMs` of an effect that must not come: long after any restart or silence, and within what a command may take. */
export const farMs = 110_000;

/** A shell command with one effect after a while, and a while after it; it may say something at its start. */
export function anEffect(
  key: string,
  more: { says?: string; beforeMs?: number; afterMs?: number } = {},
): CallPlan {
  return { kind: 'effect', key, mood: 'answers', beforeMs: 0, afterMs: 0, ...more };
}

/** The one run of a program that has one. */
export function onlyRun(runs: ReadonlyMap<string, RunState>, played: Played): RunState {
  const state = runs.get(played.messages[0]?.runId ?? '');
  if (!state) throw new Error('The program has no run.');
  return state;
}
