// Random agent programs: what the model says and asks for in each step of each run of a conversation, and what
// people do meanwhile. A program is known in full before it starts, so what must come of it is known too.
import { createDice, type Dice } from './dice.ts';
import type { ModelCall, ModelFault, Script } from './fake-model.ts';
import type { AskedMode } from '../../workflows/contracts/run.ts';
import { effectCommand, fileEffectCommand, type LedgerMood } from './ledger.ts';

export type CallPlan =
  /** A shell command with one side effect: must never happen twice. */
  | { kind: 'effect'; key: string; says?: string; beforeMs: number; afterMs: number; mood: LedgerMood }
  /** Writing a file of its own; the same content again is the same. */
  | { kind: 'write'; path: string; content: string }
  /** Changing a file of its own; a second time would fail visibly. */
  | { kind: 'edit'; path: string }
  /** Reading; may happen any number of times. */
  | { kind: 'read'; path: string }
  /** A command whose outcome only its own test can judge; random programs have none. */
  | { kind: 'command'; command: string }
  /** Arguments that are no JSON: must be answered, never run. */
  | { kind: 'malformed' };

export interface StepPlan {
  words: string[];
  wordMs: number;
  firstTokenMs: number;
  calls: CallPlan[];
  /** For the first attempts at this step; later ones go well. */
  faults: ModelFault[];
  usage: 'right' | 'missing' | 'absurd';
  /** All calls of this step carry one id, as some providers do. */
  reusesIds: boolean;
}

export interface Act {
  kind: 'steer' | 'interrupt' | 'cancel';
  /** Done when this step of the run has begun. */
  atStep: number;
  text: string;
}

/** What people say to one call that policy asks about. */
export interface AnswerPlan {
  says: Saying;
  afterMs: number;
  /** Another person says the opposite in the same moment. */
  contested: boolean;
}

export type Saying = 'approve' | 'deny';

export interface Message {
  /** `program/position`: the marker in its prompt. */
  marker: string;
  /** `queue`: sent while the run before is active; `after`: sent when that has ended. */
  when: 'first' | 'after' | 'queue';
  /** Every request of this message is sent twice at once under one idempotency key. */
  doubled: boolean;
  /** Policy asks people about each of its calls. */
  asks?: true;
  /** What they say, by call. Absent: the test that made the program gives the answers. */
  answers?: Readonly<Record<string, AnswerPlan>>;
  steps: StepPlan[];
  acts: Act[];
  /** Its effects are lines in a file, since its commands reach no ledger. */
  effectsInFile?: true;
}

export interface Program {
  id: number;
  /** Its runs work in a project; without one they begin and end with their model calls. */
  project: boolean;
  /** Where its commands run; left out: the server's own choice. */
  execMode?: AskedMode;
  messages: Message[];
}

// The brief asks for at most this many operations in a program.
const mostOperations = 20;
/** Content every file that is to be edited starts with, and what the edit leaves. */
export const beforeEdit = 'before';
export const afterEdit = 'after';

export function createProgram(seed: number, id: number): Program {
  const dice = createDice(seed).derive(id);
  const budget = { left: dice.between(3, mostOperations) };
  const messages: Message[] = [];
  do {
    const position = messages.length;
    const marker = `${id}/${position}`;
    const when = position === 0 ? 'first' : dice.pick(['after', 'queue'] as const);
    messages.push(createMessage(dice, marker, when, budget));
  } while (budget.left > 2 && messages.length < 4 && dice.chance(0.6));
  const files = messages.flatMap(({ steps }) => steps.flatMap(({ calls }) => calls)).some(touchesFiles);
  return { id, project: files || dice.chance(0.3), messages };
}

/** The same program with its commands in a sandbox of this kind. */
export function inSandbox(program: Program, execMode: AskedMode): Program {
  if (execMode === 'mount') return program;
  const messages = program.messages.map((message) => ({ ...message, effectsInFile: true as const }));
  return { ...program, project: true, execMode, messages };
}

function touchesFiles({ kind }: CallPlan): boolean {
  return kind === 'write' || kind === 'edit' || kind === 'read';
}

function createMessage(dice: Dice, marker: string, when: Message['when'], budget: { left: number }): Message {
  const steps: StepPlan[] = [];
  const wanted = dice.between(0, 4);
  while (steps.length < wanted && budget.left > 2) {
    const most = Math.min(3, budget.left - 2);
    const calls = Array.from({ length: dice.between(1, most) }, (_, index) =>
      createCall(dice, `${marker}/${steps.length + 1}.${index}`),
    );
    budget.left -= 1 + calls.length;
    steps.push(createStep(dice, marker, steps.length + 1, calls));
  }
  budget.left -= 1;
  steps.push(createStep(dice, marker, steps.length + 1, []));
  const acts: Act[] = [];
  while (budget.left > 0 && acts.length < 3 && dice.chance(0.4)) {
    budget.left -= 1;
    const kind = dice.pick(['steer', 'steer', 'steer', 'interrupt', 'cancel'] as const);
    acts.push({ kind, atStep: dice.between(1, steps.length), text: `steer ${acts.length} of ${marker}` });
    if (kind !== 'steer') break;
  }
  acts.sort((one, other) => one.atStep - other.atStep);
  const message: Message = { marker, when, doubled: dice.chance(0.2), steps, acts };
  return dice.chance(0.3) ? { ...message, asks: true, answers: createAnswers(dice, steps) } : message;
}

function createAnswers(dice: Dice, steps: readonly StepPlan[]): Record<string, AnswerPlan> {
  const calls = steps.flatMap((step, at) => step.calls.map((_, index) => `${at + 1}.${index}`));
  return Object.fromEntries(
    calls.map((callId): [string, AnswerPlan] => {
      const says = dice.pick(['approve', 'approve', 'deny'] as const);
      return [callId, { says, afterMs: dice.between(0, 1_500), contested: dice.chance(0.3) }];
    }),
  );
}

function createStep(dice: Dice, marker: string, step: number, calls: CallPlan[]): StepPlan {
  const words = Array.from({ length: dice.between(1, 30) }, (_, index) => `${marker}#${step}:${index} `);
  const faults = dice.chance(0.12) ? [createFault(dice, words.length, calls.length > 0)] : [];
  return {
    words,
    wordMs: dice.between(0, 15),
    firstTokenMs: dice.chance(0.1) ? dice.between(200, 800) : dice.between(0, 40),
    calls,
    faults,
    usage: dice.pick(['right', 'right', 'right', 'right', 'missing', 'absurd'] as const),
    reusesIds: dice.chance(0.1),
  };
}

function createFault(dice: Dice, words: number, hasCalls: boolean): ModelFault {
  switch (dice.below(hasCalls ? 5 : 4)) {
    case 0:
      return { kind: 'status', status: 429, retryAfterSeconds: 1 };
    case 1:
      return { kind: 'status', status: 500 };
    case 2:
      return { kind: 'status', status: 529 };
    case 3:
      return { kind: 'cut', afterWords: dice.below(words) };
    default:
      return { kind: 'cut-call' };
  }
}

function createCall(dice: Dice, key: string): CallPlan {
  const path = `${key.replaceAll('/', '-')}.txt`;
  const roll = dice.below(20);
  if (roll < 10) {
    const mood = dice.pick([
      'answers',
      'answers',
      'answers',
      'answers',
      'dies-before',
      'dies-after',
    ] as const);
    return { kind: 'effect', key, beforeMs: dice.between(0, 400), afterMs: dice.between(0, 400), mood };
  }
  if (roll < 13) return { kind: 'write', path, content: `content of ${key}\n` };
  if (roll < 16) return { kind: 'edit', path };
  if (roll < 19) return { kind: 'read', path: 'read-me.txt' };
  return { kind: 'malformed' };
}

/** What the model says to one attempt at a step. Beyond the program (a steer came at its end) it just answers. */
export function scriptOf(message: Message | undefined, step: number, attempt: number, port: number): Script {
  const plan = message?.steps[step - 1];
  if (!plan) return { words: ['Nothing more to do.'] };
  const calls = plan.calls.map((call, index): ModelCall => {
    const id = plan.reusesIds ? 'call_same' : `call_${step}_${index}`;
    return { id, ...toToolCall(call, message?.effectsInFile ? undefined : port) };
  });
  const { words, wordMs, firstTokenMs, usage } = plan;
  return { words, wordMs, firstTokenMs, usage, calls, fault: plan.faults[attempt - 1] };
}

function commandOf(call: CallPlan & { kind: 'effect' }, port: number | undefined): string {
  return port === undefined ? fileEffectCommand(call.key, call) : effectCommand(port, call.key, call);
}

function toToolCall(call: CallPlan, port: number | undefined): { name: string; input: string } {
  switch (call.kind) {
    case 'effect':
      return { name: 'shell', input: JSON.stringify({ command: commandOf(call, port) }) };
    case 'command':
      return { name: 'shell', input: JSON.stringify({ command: call.command }) };
    case 'write':
      return { name: 'write', input: JSON.stringify({ path: call.path, content: call.content }) };
    case 'edit':
      return { name: 'edit', input: JSON.stringify({ path: call.path, old: beforeEdit, new: afterEdit }) };
    case 'read':
      return { name: 'read', input: JSON.stringify({ path: call.path }) };
    case 'malformed':
      return { name: 'read', input: '{"path": "read-me.txt' };
  }
}

export function allCalls(program: Program): { message: Message; callId: string; call: CallPlan }[] {
  return program.messages.flatMap((message) =>
    message.steps.flatMap((step, at) =>
      step.calls.map((call, index) => ({ message, callId: `${at + 1}.${index}`, call })),
    ),
  );
}
