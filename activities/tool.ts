// The activity of one tool call: claims it, decides what an interrupted predecessor means, runs the tool, and
// stores its one result. Nothing that is not safe to repeat is started without a claim or twice.
import type { RunToolInput, RunToolResult } from '../workflows/contracts/activities.ts';
import { createPathCheck, type PathCheck } from '../workflows/policy/path-check.ts';
import { type Attempt, WorkerStopping, withAttempt } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { createCallOutput } from './call-output.ts';
import { untilStored } from './store/db/until-stored.ts';
import { judgePredecessor } from './predecessor.ts';
import { reviewContextOf } from './review.ts';
import { RunStopped } from './store/runs/stops.ts';
import { noteHandle } from './store/runs/attempts.ts';
import { type CallResult, type CallRow, claimCall, noteIntent, recordCall } from './store/calls/calls.ts';
import { cutOutput } from './store/calls/cut-output.ts';
import { StreamEnded, Superseded } from './store/log/events.ts';
import { recordLate } from './store/lifecycle/end-run.ts';
import { lockRun, type RunRow } from './store/runs/runs.ts';
import type { Tool, ToolContext, ToolResult } from './tools/tool.ts';

export function createRunTool(deps: ActivityDeps): (input: RunToolInput) => Promise<RunToolResult> {
  return (input) => {
    const unit = `call/${input.callId}`;
    return withAttempt(deps, { runId: input.runId, unit, generation: input.generation }, async (task) => {
      const claim = await deps.log.write('claim-call', (write) =>
        claimCall(write, { tenantId: input.tenantId, callId: input.callId, attempt: task.task }),
      );
      if (claim.kind === 'recorded')
        return { status: claim.call.status, bytes: claim.call.output_bytes ?? 0 };
      // The end of the run closes it.
      if (claim.kind === 'stopped') return { status: 'stopped', bytes: 0 };
      const attempt = { ...task, ref: claim.ref };
      const result = await resultOf(deps, claim, attempt);
      await store(deps, claim.call, attempt, result);
      return { status: result.status, bytes: result.bytes ?? result.output.length };
    });
  };
}

type Claimed = Extract<Awaited<ReturnType<typeof claimCall>>, { kind: 'claimed' }>;

async function resultOf(deps: ActivityDeps, claim: Claimed, attempt: Attempt): Promise<CallResult> {
  const { run, call, predecessor } = claim;
  const tool = deps.tools.find((candidate) => candidate.name === call.tool);
  if (!tool) return { status: 'failed', output: `This worker has no tool "${call.tool}".`, failed: true };
  const output = createCallOutput(deps, run, call, attempt);
  const mayUse = await pathCheckFor(deps, run, call, tool);
  const sandbox = await deps.openSandbox({ id: run.id, projectPath: run.project_path, mayUse });
  try {
    const context: ToolContext = {
      runId: run.id,
      callId: call.call_id,
      key: `${run.id}/${call.call_id}`,
      sandbox,
      signal: attempt.signal,
      recordHandle: (handle) => untilStored(() => noteHandle(deps.log.db, attempt.ref, handle)),
      noteIntent: (intent) => untilStored(() => noteIntent(deps.log.db, call, intent)),
      output: output.add,
    };
    if (predecessor) {
      const verdict = await judgePredecessor(deps, { run, call, tool, predecessor, attempt, context });
      if (verdict) return verdict;
    }
    return await runTool(deps, tool, call, context, attempt);
  } finally {
    await output.close();
    await sandbox.close();
  }
}

/** The second look at every path, against the profiles the run began with. */
async function pathCheckFor(deps: ActivityDeps, run: RunRow, call: CallRow, tool: Tool): Promise<PathCheck> {
  const context = await reviewContextOf({ ...deps, db: deps.log.db }, run);
  const { name, effect, subjectKind } = tool;
  return createPathCheck(context.scopes, { tool: name, effect, subject: call.subject, subjectKind }, context);
}

async function runTool(
  deps: ActivityDeps,
  tool: Tool,
  call: CallRow,
  context: ToolContext,
  attempt: Attempt,
): Promise<CallResult> {
  const limit = AbortSignal.timeout(call.timeout_seconds * 1000);
  const signal = AbortSignal.any([attempt.signal, limit]);
  try {
    const result = await tool.run(call.input, { ...context, signal });
    return await toCallResult(deps, call.tenant_id, result);
  } catch (error) {
    if (!signal.aborted) {
      if (error instanceof Superseded || error instanceof StreamEnded) throw error;
      // A bug of the tool must not be tried for ever; the model and the log are told.
      deps.logger.error({ err: error, runId: call.run_id, callId: call.call_id }, `tool ${tool.name} threw`);
      return { status: 'failed', output: `${tool.name} failed: ${(error as Error).message}`, failed: true };
    }
    const reason: unknown = signal.reason;
    if (reason instanceof RunStopped)
      return stopped('Stopped: the run was interrupted or out of time while this was under way.');
    if (reason instanceof WorkerStopping)
      return stopped('Stopped: the worker was shut down while this was under way.');
    if (limit.aborted && !attempt.signal.aborted) {
      return {
        status: 'failed',
        output: `Stopped after ${call.timeout_seconds} seconds, its time limit.`,
        failed: true,
      };
    }
    if (reason instanceof Superseded || reason instanceof StreamEnded) throw reason;
    return stopped('Stopped: the run was told to end while this was under way.');
  }
}

function stopped(output: string): CallResult {
  return { status: 'stopped', output, failed: true };
}

async function toCallResult(deps: ActivityDeps, tenantId: string, result: ToolResult): Promise<CallResult> {
  const status = result.ok ? 'succeeded' : result.denied ? 'denied' : 'failed';
  const cut = await cutOutput(deps.log.redact(result.output), (mediaType, bytes) =>
    // The tool has acted: an outage of Postgres must not make a failure of what it did.
    untilStored(() => deps.contents.put(tenantId, mediaType, bytes)),
  );
  return { status, ...cut, failed: !result.ok };
}

async function store(deps: ActivityDeps, call: CallRow, attempt: Attempt, result: CallResult): Promise<void> {
  const { tenant_id: tenantId, run_id: runId, call_id: callId } = call;
  try {
    await untilStored(() =>
      deps.log.write('store-result', (write) =>
        recordCall(write, { tenantId, attempt: attempt.ref, call, result }),
      ),
    );
  } catch (error) {
    if (!(error instanceof Superseded || error instanceof StreamEnded)) throw error;
    await deps.log.write('record-late', async (write) => {
      const run = await lockRun(write, tenantId, runId);
      if (run) await recordLate(write, run, attempt.ref, `the result (${result.status}) of ${callId}`);
    });
    throw error;
  }
}
