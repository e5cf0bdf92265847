// What the fault tests share: programs written by hand are played against the product, and everything that was seen
// goes through the chaos checker. A test adds what its own fault must have led to.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect } from 'vitest';
import { check } from '../chaos/checker.ts';
import { createDice } from '../chaos/dice.ts';
import { type Evidence, type RunState, readFiles, readRuns } from '../chaos/evidence.ts';
import { type FakeModel, startFakeModel } from '../chaos/fake-model.ts';
import { type Ledger, startLedger } from '../chaos/ledger.ts';
import { type Played, play } from '../chaos/player.ts';
import { type CallPlan, type Message, type Program, type StepPlan, scriptOf } from '../chaos/program.ts';

export interface Theatre {
  model: FakeModel;
  ledger: Ledger;
  /** Plays them all at once. */
  play(product: Product, programs: readonly Program[]): Promise<Played[]>;
  /** Fails when anything the checker knows of did not hold; returns what the database says of the runs. */
  expectRight(product: Product, played: readonly Played[]): Promise<Map<string, RunState>>;
}

export interface Product {
  url: string;
  token: string;
  databaseUrl: string;
  data: string;
}

let nextProgram = 1;

/** To be called at the top of a test file: model and ledger live as long as the file. */
export async function openTheatre(): Promise<Theatre> {
  const messages = new Map<string, Message>();
  const ledger = await startLedger(() => 'answers');
  const model = await startFakeModel(({ marker, step, attempt }) =>
    scriptOf(messages.get(marker), step, attempt, ledger.port),
  );
  afterAll(async () => {
    await model.close();
    await ledger.close();
  });
  return {
    model,
    ledger,
    async play(product, programs) {
      for (const message of programs.flatMap((program) => program.messages))
        messages.set(message.marker, message);
      const folder = path.join(product.data, 'projects');
      await mkdir(folder, { recursive: true });
      const stage = { url: product.url, token: product.token, model: 'compatible/fake', folder };
      return Promise.all(
        programs.map((program) => play(program, { ...stage, dice: createDice(program.id) })),
      );
    },
    async expectRight(product, played) {
      const runs = await readRuns(product.databaseUrl);
      const evidence: Evidence = {
        played,
        runs,
        faults: [],
        model,
        hits: ledger.hits,
        files: await readFiles(played),
      };
      expect(check(evidence).violations).toEqual([]);
      return runs;
    },
  };
}

export type StepInput = Partial<Omit<StepPlan, 'words'>> & { words?: number };

/** A program of one run. Every step says some words, then makes its calls; the last one just answers. */
export function aProgram(
  steps: readonly StepInput[],
  more: Partial<Pick<Message, 'acts' | 'doubled'>> = {},
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
  return { id, messages: [{ marker, when: 'first', doubled: false, acts: [], ...more, steps: plans }] };
}

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
