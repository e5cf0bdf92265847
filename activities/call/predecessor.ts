// What to do about an earlier attempt that claimed a call and left no result: see its processes dead, find out whether
// it acted, and say "unknown" where that cannot be known.
import type { ActivityDeps, Attempt } from '../deps.ts';
import { handlesOf } from '../store/runs/attempts.ts';
import type { CallResult, CallRow } from '../store/calls/calls.ts';
import { addDeadLetter } from '../store/runs/dead-letters.ts';
import { lockRun, type RunRow } from '../store/runs/runs.ts';
import type { Probe, Tool, ToolContext } from '../tools/tool.ts';

// What took three workers down would take the next one down as well.
const mostLostAttempts = 3;

/** The call's result when it must not be run again; undefined when running it is right. */
export async function judgePredecessor(
  deps: ActivityDeps,
  input: {
    run: RunRow;
    call: CallRow;
    tool: Tool;
    predecessor: { intent: unknown; lost: number };
    attempt: Attempt;
    context: ToolContext;
  },
): Promise<CallResult | undefined> {
  const { run, call, tool, predecessor, attempt, context } = input;
  const handles = await handlesOf(deps.log.db, attempt.ref, attempt.ref.attempt);
  let elsewhere = false;
  for (const handle of handles) elsewhere = (await deps.killHandle(handle)) === 'elsewhere' || elsewhere;
  if (predecessor.lost >= mostLostAttempts) {
    const reason = `${tool.name} took its worker down ${predecessor.lost} times.`;
    await deps.log.write('give-up-call', async (write) => {
      const locked = await lockRun(write, run.tenant_id, run.id);
      if (!locked) return;
      const letter = { kind: 'call' as const, callId: call.call_id, reason, attempts: predecessor.lost };
      await addDeadLetter(write, locked, letter);
    });
    return { status: 'failed', output: `Not tried again: ${reason}`, failed: true };
  }
  if (tool.repeat !== 'once') return undefined;
  switch (await probe(tool, call, predecessor.intent, handles.length > 0, context)) {
    case 'done':
      return {
        status: 'succeeded',
        output: 'Done; verified after the worker that did it had died.',
        failed: false,
      };
    case 'not_done':
      return undefined;
    case 'unknown':
      return {
        status: 'unknown',
        output: `Outcome unknown: the worker died while this was under way, and nobody can tell how much of it took effect. It was not run again. ${
          elsewhere
            ? 'It ran on another machine and may still be running there.'
            : 'Nothing of it is running any more.'
        } Look at the state of things before you decide what to do.`,
        failed: true,
      };
  }
}

async function probe(
  tool: Tool,
  call: CallRow,
  intent: unknown,
  startedCommand: boolean,
  context: ToolContext,
): Promise<Probe> {
  if (tool.probe) {
    // The intent is noted before the tool acts: none noted, nothing done.
    if (!intent) return 'not_done';
    return tool.probe(call.input, intent as Record<string, string>, context);
  }
  // A tool that executes acts through its command alone; the handle is noted before that may start.
  if (tool.effect === 'execute' && !startedCommand) return 'not_done';
  return 'unknown';
}
