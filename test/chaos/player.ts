// Plays one program against the product: sends its messages, reads every run's stream, and steers, interrupts and
// cancels where the program says so. It only notes what happens; whether it was right is the checker's business.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event } from '../../workflows/contracts/event.ts';
import type { AskedMode } from '../../workflows/contracts/run.ts';
import type { Dice } from './dice.ts';
import { giveToAgent } from '../activities/sandbox/opened.ts';
import { marked } from './fake-model.ts';
import { type Act, allCalls, beforeEdit, type Message, type Program, type Saying } from './program.ts';
import { type Recorder, type Recording, record } from './recorder.ts';
import { type Acknowledged, createRequests, type Requests } from './requests.ts';

export interface PlayedAct {
  act: Act;
  messageId: string;
  acknowledged: Acknowledged;
}

export interface PlayedAnswer {
  approvalId: string;
  says: Saying;
  acknowledged: Acknowledged;
}

export interface PlayedMessage {
  marker: string;
  runId: string;
  conversationId: string;
  acknowledged: Acknowledged;
  acts: PlayedAct[];
  answers: PlayedAnswer[];
}

export interface Played {
  program: Program;
  /** Where its files are: its project, or the copy that its runs worked on. */
  folder: string;
  /** Its project. */
  home: string;
  messages: PlayedMessage[];
  recordings: Recording[];
  acknowledged: Acknowledged[];
  startedAt: number;
  endedAt: number;
  /** Set when a run made no progress for so long that the player gave up on it. */
  stuck: string | undefined;
}

export interface Stage {
  url: string;
  token: string;
  model: string;
  /** Each program gets a project folder below it. */
  folder: string;
  dice: Dice;
}

// No fault lasts longer than some ten seconds, and recovery from each takes seconds: this is a hang.
const stuckMs = 90_000;

/** When the last event of any run of a program came: a run that is parked moves when the one before it does. */
interface Clock {
  movedAt: number;
}

export async function play(program: Program, stage: Stage): Promise<Played> {
  const folder = await makeProject(program, stage.folder);
  const requests = createRequests({ ...stage, name: `program-${program.id}` });
  const startedAt = Date.now();
  const recorders: Recorder[] = [];
  const messages: PlayedMessage[] = [];
  const runs: RunWatch[] = [];
  const clock: Clock = { movedAt: startedAt };
  let stuck: string | undefined;
  for (const message of program.messages) {
    const last = runs.at(-1);
    if (last && message.when === 'after') stuck ??= await last.ended();
    // Queued behind a run that has begun, so that the queue is really used.
    if (last && message.when === 'queue') stuck ??= await last.begun();
    if (stuck) break;
    const played = await send(requests, message, messages[0]?.conversationId, {
      stage,
      folder: program.project ? folder : undefined,
      execMode: program.execMode,
    });
    messages.push(played);
    const watch = watchRun(stage, requests, message, played, clock);
    runs.push(watch);
    recorders.push(...watch.recorders);
    if (messages.length === 1) {
      const { conversationId } = played;
      recorders.push(
        record({ ...stage, kind: 'conversation', of: conversationId, dice: stage.dice.derive(1) }),
      );
    }
  }
  for (const run of runs) stuck ??= await run.ended();
  for (const recorder of recorders) if (stuck || recorder.recording.kind === 'conversation') recorder.leave();
  await Promise.all(recorders.map((recorder) => recorder.done));
  const recordings = recorders.map((recorder) => recorder.recording);
  const { acknowledged } = requests;
  return {
    program,
    folder,
    home: folder,
    messages,
    recordings,
    acknowledged,
    startedAt,
    endedAt: Date.now(),
    stuck,
  };
}

async function makeProject(program: Program, parent: string): Promise<string> {
  const folder = path.join(parent, `program-${program.id}`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'read-me.txt'), `Project of program ${program.id}.\n`);
  for (const { call } of allCalls(program)) {
    if (call.kind === 'edit') await writeFile(path.join(folder, call.path), `${beforeEdit}\n`);
  }
  if (program.execMode === 'sandbox') giveToAgent(folder);
  return folder;
}

async function send(
  requests: Requests,
  message: Message,
  conversationId: string | undefined,
  { stage, folder, execMode }: { stage: Stage; folder: string | undefined; execMode: AskedMode | undefined },
): Promise<PlayedMessage> {
  const body = {
    prompt: `Do as the program says. ${marked(message.marker)}`,
    ...(folder === undefined ? {} : { project: { path: folder } }),
    model: stage.model,
    ...(execMode === undefined ? {} : { execMode }),
    ...(message.asks ? { policy: 'ask-everything', attended: true } : { policy: 'trusted-mount-autonomous' }),
    messageId: `message-${message.marker}`,
    ...(conversationId ? { whenBusy: 'queue' } : {}),
  };
  const to = conversationId ? `/conversations/${conversationId}/messages` : '/runs';
  const twins = message.doubled ? 1 : 0;
  let acknowledged = await requests.post(to, body, { twins });
  for (const until = Date.now() + stuckMs; isForLater(acknowledged) && Date.now() < until; ) {
    await sleep(500);
    acknowledged = await requests.post(to, body, { twins });
  }
  const { id, conversationId: conversation } = acknowledged.answer as {
    id?: string;
    conversationId?: string;
  };
  if (acknowledged.status !== 202 || !id || !conversation) {
    throw new Error(`${to} answered ${acknowledged.status}: ${JSON.stringify(acknowledged.answer)}`);
  }
  const { marker } = message;
  return { marker, runId: id, conversationId: conversation, acknowledged, acts: [], answers: [] };
}

/** Its sandbox is away for now: a refusal of this request, under this key. */
function isForLater({ status, answer }: Acknowledged): boolean {
  return status === 422 && answer['code'] === 'SandboxUnavailable';
}

interface RunWatch {
  recorders: Recorder[];
  /** Resolves when the run has begun a step or ended; says so when nothing moved for too long. */
  begun(): Promise<string | undefined>;
  ended(): Promise<string | undefined>;
}

function watchRun(
  stage: Stage,
  requests: Requests,
  message: Message,
  played: PlayedMessage,
  clock: Clock,
): RunWatch {
  const begun = Promise.withResolvers<void>();
  const acting: Promise<void>[] = [];
  const answering: Promise<void>[] = [];
  const waiting = [...message.acts];
  let over = false;

  async function act(next: Act, position: number): Promise<void> {
    const messageId = `${next.kind}-${position}-${message.marker}`;
    const body = next.kind === 'steer' ? { text: next.text, messageId } : { messageId };
    const path = `/runs/${played.runId}/${next.kind}`;
    const acknowledged = await requests.post(path, body, { twins: message.doubled ? 1 : 0 });
    played.acts.push({ act: next, messageId, acknowledged });
  }

  /** One after the other: the order of steers is part of what is checked. */
  function actOn(step: number): void {
    const due = waiting.filter((next) => next.atStep <= step);
    waiting.splice(0, due.length);
    for (const next of due) {
      const position = message.acts.indexOf(next);
      const before = acting.at(-1) ?? Promise.resolve();
      acting.push(before.then(() => act(next, position)));
    }
  }

  async function answer(approvalId: string, callId: string | null): Promise<void> {
    const plan = message.answers?.[callId ?? ''];
    if (!plan) return;
    await sleep(plan.afterMs);
    const opposite = plan.says === 'approve' ? 'deny' : 'approve';
    const sayings = plan.contested ? ([plan.says, opposite] as const) : [plan.says];
    await Promise.all(
      sayings.map(async (says) => {
        const acknowledged = await requests.post(
          `/approvals/${approvalId}/${says}`,
          {},
          { twins: message.doubled ? 1 : 0 },
        );
        played.answers.push({ approvalId, says, acknowledged });
      }),
    );
  }

  function onEvent(event: Event): void {
    clock.movedAt = Date.now();
    if (event.type === 'approval-request')
      answering.push(answer(event.payload.approvalId, event.payload.callId));
    if (event.type === 'step-start') actOn(event.payload.step);
    if (event.type === 'step-start' || event.type === 'run-end') begun.resolve();
    if (event.type === 'run-end') over = true;
  }

  const first = record({ ...stage, kind: 'run', of: played.runId, onEvent });
  const second = record({ ...stage, kind: 'run', of: played.runId, dice: stage.dice.derive(2) });

  async function unlessStuck(done: Promise<unknown>): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    // What moved before the player began to wait is no measure of this wait.
    clock.movedAt = Date.now();
    const stuck = new Promise<string>((resolve) => {
      timer = setInterval(() => {
        if (!over && Date.now() - clock.movedAt > stuckMs) {
          resolve(`run ${played.runId} (${message.marker}) made no progress for ${stuckMs / 1000} s`);
        }
      }, 1_000);
    });
    try {
      return await Promise.race([done.then(() => undefined), stuck]);
    } finally {
      clearInterval(timer);
    }
  }

  return {
    recorders: [first, second],
    begun: () => unlessStuck(begun.promise),
    ended: () =>
      unlessStuck(first.done.then(() => Promise.all([...acting, ...answering])).then(() => second.done)),
  };
}
