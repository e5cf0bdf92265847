// What to do about an earlier attempt that claimed a call and left no result: see its processes dead, find out whether
// it acted, and say "unknown" where that cannot be known.
import type { ActivityDeps, Attempt } from '../deps.ts';
import type { Handle, SandboxRefusal } from '../sandbox/sandbox.ts';
import { handlesOf } from '../store/runs/attempts.ts';
import type { CallResult, CallRow } from '../store/calls/calls.ts';
import { addDeadLetter } from '../store/runs/dead-letters.ts';
import { lockRun, type RunRow } from '../store/runs/runs.ts';
import { toSentence } from '../tools/answer.ts';
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
  const { handles, elsewhere } = await killHandles(deps, attempt);
  const untouched = didNothing(tool, predecessor.intent, handles.length > 0);
  if (predecessor.lost >= mostLostAttempts) {
    const reason = `${tool.name} took its worker down ${predecessor.lost} times.`;
    await deps.log.write('give-up-call', async (write) => {
      const locked = await lockRun(write, run.tenant_id, run.id);
      if (!locked) return;
      const letter = { kind: 'call' as const, callId: call.call_id, reason, attempts: predecessor.lost };
      await addDeadLetter(write, locked, letter);
    });
    const output = `Not tried again: ${reason}`;
    if (tool.repeat !== 'once' || untouched) return { status: 'failed', output, failed: true };
    // Not even looked at: looking may be what takes workers down.
    return {
      status: 'unknown',
      output: `${output} Nobody can tell how much of it took effect.`,
      failed: true,
    };
  }
  if (tool.repeat !== 'once') return undefined;
  if (untouched) return undefined;
  switch (await probe(tool, call, predecessor.intent, context)) {
    case 'done':
      return {
        status: 'succeeded',
        output: 'Done; verified after the worker that did it had died.',
        failed: false,
      };
    case 'not_done':
      return undefined;
    case 'unknown':
      return unknown(elsewhere, 'Look at the state of things before you decide what to do.');
  }
}

/** The result of a call whose sandbox cannot be opened, such as when its project is gone. */
export async function unopened(
  deps: ActivityDeps,
  {
    tool,
    predecessor,
    attempt,
  }: { tool: Tool; predecessor: { intent: unknown } | undefined; attempt: Attempt },
  refusal: SandboxRefusal,
): Promise<CallResult> {
  const why = toSentence(deps.log.redact(refusal.message));
  if (predecessor === undefined) return { status: 'failed', output: why, failed: true };
  const { handles, elsewhere } = await killHandles(deps, attempt);
  const hasActed = tool.repeat === 'once' && !didNothing(tool, predecessor.intent, handles.length > 0);
  return hasActed ? unknown(elsewhere, why) : { status: 'failed', output: why, failed: true };
}

/** Of the attempts before this one. */
async function killHandles(
  deps: ActivityDeps,
  { ref }: Attempt,
): Promise<{ handles: Handle[]; elsewhere: boolean }> {
  const handles = await handlesOf(deps.log.db, ref, ref.attempt);
  let elsewhere = false;
  for (const handle of handles) elsewhere = (await deps.killHandle(handle)) === 'elsewhere' || elsewhere;
  return { handles, elsewhere };
}

function unknown(elsewhere: boolean, then: string): CallResult {
  return {
    status: 'unknown',
    output: `Outcome unknown: the worker died while this was under way, and nobody can tell how much of it took effect. It was not run again. ${
      elsewhere
        ? 'It ran on another machine and may still be running there.'
        : 'Nothing of it is running any more.'
    } ${then}`,
    failed: true,
  };
}

/** Whether what is on record says that nothing was begun. */
function didNothing(tool: Tool, intent: unknown, startedCommand: boolean): boolean {
  // The intent is noted before the tool acts: none noted, nothing done.
  if (tool.probe) return !intent;
  // A tool that executes acts through its command alone; the handle is noted before that may start.
  return tool.effect === 'execute' && !startedCommand;
}

async function probe(tool: Tool, call: CallRow, intent: unknown, context: ToolContext): Promise<Probe> {
  return tool.probe ? tool.probe(call.input, intent as Record<string, string>, context) : 'unknown';
}
