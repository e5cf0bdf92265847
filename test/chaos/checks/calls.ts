// I3 and I4: every call has its one result, nothing that must happen once happened twice or after its call was
// closed, the calls of an answer acted in the order written, and what the result says is what the ledger and the files show.
import { type Check, type Evidence, plannedCalls, type RunState, type Violation } from '../evidence.ts';
import type { Hit } from '../ledger.ts';
import type { FaultKind } from '../nemesis.ts';
import { afterEdit, beforeEdit, type CallPlan } from '../program.ts';

type CallRow = RunState['calls'][number];

/** What a full disk, or an engine that was away for too long, makes of a call: it says so, and is no loss. */
const saysWhy: Partial<Record<FaultKind, RegExp>> = {
  'full-disk': /No space left on device|the disk is full|is nearly full/,
  engine: /the Docker engine on .* does not answer/i,
};

/** How a call says that it will not be tried again. */
const gaveUp = /^Not tried again: \w+ took its worker down \d+ times/;

export const checkCalls: Check = (evidence) => {
  const violations: Violation[] = [];
  const figures = {
    calls: 0,
    'calls without exactly one result': 0,
    'repeated once-effects': 0,
    'unknown outcomes': 0,
    'effects after the end of their call': 0,
    'effects out of the order written': 0,
  };
  // When the calls of each answer acted last, by the answer.
  const acted = new Map<string, number>();
  for (const planned of plannedCalls(evidence)) {
    const { callId, call, folder, state, row, effects } = planned;
    const note = (invariant: string, problem: string): void => {
      violations.push(planned.violation(invariant, problem));
    };
    if (effects.length > 1) {
      figures['repeated once-effects'] += 1;
      note('I4', `its effect took place ${effects.length} times`);
    }
    const answer = `${planned.message.marker} ${callId.split('.')[0]}`;
    const before = acted.get(answer) ?? 0;
    const times = effects.map(({ at }) => at);
    acted.set(answer, Math.max(before, ...times));
    if (times.some((at) => at < before)) {
      figures['effects out of the order written'] += 1;
      note('I4', 'it acted before a call that was written before it');
    }
    if (!state || !row) {
      if (effects.length > 0) note('I4', 'it had an effect and is not on record');
      continue;
    }
    figures.calls += 1;
    if (row.status === 'unknown') figures['unknown outcomes'] += 1;
    for (const problem of resultProblems(state, row)) {
      figures['calls without exactly one result'] += 1;
      note('I3', problem);
    }
    const late = effects.filter(({ at }) => row.ended_at !== null && at > row.ended_at.getTime());
    figures['effects after the end of their call'] += late.length;
    if (late.length > 0)
      note(
        'I4',
        `it acted ${late.map(({ at }) => at - (row.ended_at?.getTime() ?? 0)).join(', ')} ms after it was closed as ${row.status}`,
      );
    const refused = state.approvals.some(
      ({ call_id, status }) => call_id === callId && status !== 'approved',
    );
    // Another check looks whether a refused call took place.
    if (refused && ['denied', 'stopped'].includes(row.status)) continue;
    const problem = outcomeProblem(call, row, effects, evidence, `${folder}/`);
    if (problem) note('I4', problem);
  }
  return { violations, figures };
};

const ends = ['succeeded', 'failed', 'denied', 'stopped', 'unknown'];

function resultProblems({ events, messages }: RunState, row: CallRow): string[] {
  const problems: string[] = [];
  if (!ends.includes(row.status)) problems.push(`it is ${row.status} after the end of its run`);
  const told = messages.filter(({ call_id }) => call_id === row.call_id).length;
  if (told !== 1) problems.push(`it has ${told} tool messages`);
  const ended = events.filter((event) => event.type === 'call-end' && event.payload.callId === row.call_id);
  if (ended.length !== 1) problems.push(`it has ${ended.length} call-end events`);
  return problems;
}

/** Whether what the result says is what the world shows. */
function outcomeProblem(
  call: CallPlan,
  row: CallRow,
  effects: readonly Hit[],
  { files, faults }: Evidence,
  folder: string,
): string | undefined {
  // After three deaths of its worker a call is not made any more, and says so. As failed it has done nothing.
  if (gaveUp.test(row.output ?? '') && row.status === 'failed') {
    return effects.length > 0 ? 'it was given up as failed and took place' : undefined;
  }
  const excuses = Object.entries(saysWhy).filter(([kind]) => faults.some((fault) => fault.kind === kind));
  if (row.status === 'failed' && excuses.some(([, words]) => words.test(row.output ?? ''))) return undefined;
  // A supervisor that takes over ends the worker it finds, and that stops what runs; people stop runs, too.
  const mayBeStopped = row.status === 'stopped' || row.status === 'unknown';
  switch (call.kind) {
    case 'effect':
      if (row.status === 'succeeded' && effects.length !== 1)
        return `it succeeded with ${effects.length} effects`;
      if (row.status === 'denied' && effects.length > 0) return 'it was denied and took place';
      if (row.status === 'failed' && call.mood === 'answers')
        return `it failed: ${row.output?.slice(0, 300)}`;
      return undefined;
    case 'write':
      if (row.status === 'succeeded' && files.get(folder + call.path) !== call.content)
        return 'its file is not what it wrote';
      return row.status === 'succeeded' || mayBeStopped
        ? undefined
        : `it is ${row.status}: ${row.output?.slice(0, 300)}`;
    case 'edit': {
      const now = files.get(folder + call.path);
      if (row.status === 'succeeded' && now !== `${afterEdit}\n`)
        return `its file holds ${JSON.stringify(now)}`;
      if (now !== `${afterEdit}\n` && now !== `${beforeEdit}\n`)
        return `its file holds ${JSON.stringify(now)}`;
      return row.status === 'succeeded' || mayBeStopped
        ? undefined
        : `it is ${row.status}: ${row.output?.slice(0, 300)}`;
    }
    case 'read':
      if (row.status === 'unknown') return 'reading cannot have an unknown outcome';
      return row.status === 'succeeded' || (mayBeStopped && faults.length >= 0)
        ? undefined
        : `it is ${row.status}: ${row.output?.slice(0, 300)}`;
    case 'command':
      return undefined;
    case 'malformed':
      return row.status === 'failed' ? undefined : `malformed arguments ended as ${row.status}`;
  }
}
