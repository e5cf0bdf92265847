// I7, I8 and I10: what was acknowledged is there and came to its end, once, whatever was sent twice; every steer
// ends applied or refused, in order; a stop stops.
import { type Check, type Evidence, type RunState, spread, type Violation } from '../evidence.ts';
import type { Played, PlayedMessage } from '../player.ts';

const terminal = ['succeeded', 'failed', 'timed_out', 'interrupted', 'cancelled'];

export const checkAcknowledged: Check = (evidence) => {
  const violations: Violation[] = [];
  const stopTimes: number[] = [];
  const figures = {
    'acknowledged requests': 0,
    'lost acks': 0,
    'extra runs': 0,
    'longest request in ms': 0,
  };
  for (const played of evidence.played) {
    const { program, acknowledged, messages, stuck } = played;
    const note = (invariant: string, problem: string): void => {
      violations.push({ invariant, program: program.id, problem });
    };
    figures['acknowledged requests'] += acknowledged.length;
    for (const { longestMs, twins, status, answer, path } of acknowledged) {
      figures['longest request in ms'] = Math.max(figures['longest request in ms'], longestMs);
      const id = answer['id'] ?? answer['messageId'];
      if (twins.some((twin) => twin.status !== status || twin.id !== id)) {
        note('I8', `one key, two answers of ${path}: ${status} ${String(id)} and ${JSON.stringify(twins)}`);
      }
    }
    if (stuck) note('I7', stuck);
    for (const message of messages) {
      const state = evidence.runs.get(message.runId);
      if (!state || !terminal.includes(state.run.status)) {
        figures['lost acks'] += 1;
        note(
          'I7',
          `run ${message.runId} (${message.marker}) was acknowledged and is ${state?.run.status ?? 'not there'}`,
        );
        continue;
      }
      for (const problem of steerProblems(message, state)) note('I10', problem);
      for (const problem of stopProblems(message, state, stopTimes)) note('I10', problem);
      const problem = endProblem(played, message, state);
      if (problem) note('I7', problem);
    }
    figures['extra runs'] += extraRuns(evidence, played, note);
  }
  return { violations, figures: { ...figures, 'stop to end, p50 / p99 / max': spread(stopTimes) } };
};

/** A run without a stop must have succeeded: no fault may end it. */
function endProblem({ stuck }: Played, message: PlayedMessage, { run }: RunState): string | undefined {
  const stopped = message.acts.some(
    ({ act, acknowledged }) => act.kind !== 'steer' && acknowledged.status === 202,
  );
  if (stuck || stopped || run.status === 'succeeded') return undefined;
  return `run ${run.id} (${message.marker}) ended as ${run.status}: ${run.reason_text}`;
}

function extraRuns(
  { runs }: Evidence,
  { messages, folder }: Played,
  note: (invariant: string, problem: string) => void,
): number {
  const known = new Set(messages.map(({ runId }) => runId));
  const extra = [...runs.values()].filter(({ run }) => run.project_path === folder && !known.has(run.id));
  for (const { run } of extra)
    note('I8', `run ${run.id} for ${run.message_id} exists beside the acknowledged one`);
  if (known.size !== messages.length) note('I8', 'two messages were answered with one run');
  return extra.length;
}

function steerProblems({ acts, marker }: PlayedMessage, { events, inputs, messages }: RunState): string[] {
  const problems: string[] = [];
  const accepted = acts.filter(
    ({ act, acknowledged }) => act.kind === 'steer' && acknowledged.status === 202,
  );
  const applied: number[] = [];
  for (const { messageId, act } of accepted) {
    const responses = events.flatMap((event) =>
      event.type === 'steer-response' && event.payload.messageId === messageId ? [event.payload] : [],
    );
    const rows = inputs.filter((input) => input.message_id === messageId);
    const told = messages.filter(({ text }) => text === act.text);
    if (rows.length !== 1 || responses.length !== 1) {
      problems.push(`${messageId} of ${marker} has ${rows.length} rows and ${responses.length} receipts`);
      continue;
    }
    const wanted = responses[0]?.outcome === 'applied' ? 1 : 0;
    if (told.length !== wanted)
      problems.push(`${messageId} of ${marker} was told to the model ${told.length} times`);
    if (wanted === 1) applied.push((told[0]?.step ?? 0) * 1_000 + (told[0]?.position ?? 0));
  }
  if (applied.some((place, index) => index > 0 && place <= (applied[index - 1] ?? 0))) {
    problems.push(`the steers of ${marker} were applied out of order`);
  }
  return problems;
}

function stopProblems({ acts, marker }: PlayedMessage, { run, events }: RunState, times: number[]): string[] {
  return acts.flatMap(({ act, acknowledged }) => {
    if (act.kind === 'steer' || acknowledged.status !== 202) return [];
    const end = events.at(-1);
    if (end) times.push(Date.parse(end.at) - acknowledged.at);
    const wanted = act.kind === 'cancel' ? 'cancelled' : 'interrupted';
    return run.status === wanted
      ? []
      : [`${act.kind} of ${marker} was accepted and the run is ${run.status}`];
  });
}
