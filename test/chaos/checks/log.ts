// I2 and I12: each run's log is numbered without gaps, follows the grammar of its events, ends once, and holds
// nothing from an attempt that a newer one had replaced.
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Check, RunState, Violation } from '../evidence.ts';
import type { Message } from '../program.ts';

export const checkLog: Check = ({ played, runs }) => {
  const violations: Violation[] = [];
  let events = 0;
  let late = 0;
  let zombies = 0;
  for (const { program, messages } of played) {
    for (const { runId, marker } of messages) {
      const state = runs.get(runId);
      if (!state) continue;
      events += state.events.length;
      late += state.events.filter((event) => event.type === 'late-write').length;
      const note = (invariant: string, problem: string): void => {
        violations.push({ invariant, program: program.id, problem: `run ${runId} (${marker}): ${problem}` });
      };
      for (const problem of numberProblems(state.events)) note('I2', problem);
      const message = program.messages.find((candidate) => candidate.marker === marker);
      for (const problem of grammarProblems(state, message)) note('I2', problem);
      const old = zombieWrites(state.events);
      zombies += old.length;
      for (const problem of old) note('I12', problem);
    }
    for (const problem of conversationProblems(
      messages.flatMap(({ runId }) => runs.get(runId)?.events ?? []),
    )) {
      violations.push({ invariant: 'I2', program: program.id, problem });
    }
  }
  return {
    violations,
    figures: { 'events in the logs': events, 'fenced writes seen': late, 'fenced writes accepted': zombies },
  };
};

function numberProblems(events: readonly Event[]): string[] {
  const problems = events.flatMap((event, index) =>
    event.seq === index + 1 ? [] : [`event ${index + 1} has number ${event.seq}`],
  );
  const ends = events.flatMap((event, index) => (event.type === 'run-end' ? [index] : []));
  if (ends.length !== 1) problems.push(`it has ${ends.length} terminal events`);
  else if (ends[0] !== events.length - 1) problems.push('something follows its terminal event');
  if (events[0]?.type !== 'run-queued') problems.push(`it begins with ${events[0]?.type}`);
  return problems;
}

function conversationProblems(events: readonly Event[]): string[] {
  const numbers = events.map((event) => event.conversationSeq ?? 0).sort((one, other) => one - other);
  const gap = numbers.findIndex((number, index) => number !== index + 1);
  return gap < 0 ? [] : [`conversation number ${numbers[gap]} stands where ${gap + 1} belongs`];
}

/** The state of the message that is being streamed, as a reader keeps it. */
interface Reading {
  step: number;
  text: string;
  open: boolean;
  ended: boolean;
}

function grammarProblems({ run, events }: RunState, message: Message | undefined): string[] {
  const problems: string[] = [];
  const reading: Reading = { step: 0, text: '', open: false, ended: true };
  for (const event of events) {
    const problem = read(reading, event);
    if (problem) problems.push(`event ${event.seq}: ${problem}`);
    if (event.type === 'message-end') {
      const stopped = ['interrupted', 'cancelled'].includes(run.status) && event.payload.step === run.steps;
      const plan = message?.steps[event.payload.step - 1]?.words.join('');
      const right = stopped ? plan?.startsWith(event.payload.text) : plan === event.payload.text;
      if (plan !== undefined && !right)
        problems.push(`event ${event.seq}: the text is not what the model said`);
    }
  }
  if (reading.open) problems.push('a block is open at its end');
  return problems;
}

/** Takes one event in; says what is wrong with its place. */
function read(reading: Reading, event: Event): string | undefined {
  switch (event.type) {
    case 'step-start':
      if (event.payload.step !== reading.step + 1)
        return `step ${event.payload.step} follows step ${reading.step}`;
      if (!reading.ended) return `step ${reading.step} has no end`;
      Object.assign(reading, { step: event.payload.step, text: '', open: false, ended: false });
      return undefined;
    case 'message-reset':
      if (reading.ended) return `a message is taken back after its end`;
      Object.assign(reading, { text: '', open: false });
      return undefined;
    case 'text-start':
      if (reading.open || reading.ended) return 'a block begins at the wrong moment';
      reading.open = true;
      return undefined;
    case 'text-delta':
      if (!reading.open) return 'text outside a block';
      reading.text += event.payload.text;
      return undefined;
    case 'text-end':
      if (!reading.open) return 'a block ends twice';
      reading.open = false;
      return undefined;
    case 'message-end':
      if (reading.ended) return `step ${reading.step} has two messages`;
      if (event.payload.text !== reading.text) return 'the whole text is not the sum of its pieces';
      reading.ended = true;
      return undefined;
    default:
      return undefined;
  }
}

/** The unit of work an event was written for by an attempt. */
function unitOf(event: Event): string | undefined {
  switch (event.type) {
    case 'step-start':
    case 'message-reset':
    case 'text-start':
    case 'text-delta':
      return `model/${event.payload.step}`;
    case 'call-start':
    case 'call-delta':
      return `call/${event.payload.callId}`;
    default:
      return undefined;
  }
}

function zombieWrites(events: readonly Event[]): string[] {
  const current = new Map<string, number>();
  return events.flatMap((event) => {
    const unit = unitOf(event);
    if (unit === undefined || event.attempt === 0) return [];
    const newest = current.get(unit) ?? 0;
    current.set(unit, Math.max(newest, event.attempt));
    return event.attempt < newest
      ? [`attempt ${event.attempt} of ${unit} wrote event ${event.seq} after attempt ${newest}`]
      : [];
  });
}
