// Has a claimed call act: decides what an interrupted predecessor means, runs the tool within its time, and returns the
// one result.
import type { NetworkContact } from '../../workflows/contracts/call.ts';
import type { ContainerRef } from '../../workflows/contracts/container.ts';
import { type CommandCheck, createCommandCheck } from '../../workflows/policy/command-check.ts';
import { createPathCheck, type PathCheck } from '../../workflows/policy/path-check.ts';
import { type ActivityDeps, type Attempt, WorkerStopping } from '../deps.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { holdCommands } from './held-commands.ts';
import { createCallOutput } from './output.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { placeFiles, withMissing } from './place-files.ts';
import { createTimeLimit, startingUncounted } from './time-limit.ts';
import { judgePredecessor, unopened } from './predecessor.ts';
import { reviewContextOf } from './review.ts';
import { RunStopped } from '../store/runs/stops.ts';
import { noteHandle } from '../store/runs/attempts.ts';
import { peekAt } from '../store/delegation/peek.ts';
import { type CallResult, type CallRow, type Claim, keepNetwork, noteIntent } from '../store/calls/calls.ts';
import { cutOutput, toldOutput } from '../store/calls/cut-output.ts';
import { StreamEnded, Superseded } from '../store/log/events.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { presetOf } from '../store/runs/preset-of-run.ts';
import { besideOf } from '../store/runs/workspace-of-run.ts';
import { SandboxRefusal } from '../sandbox/sandbox.ts';
import type { Tool, ToolContext, ToolResult } from '../tools/tool.ts';
import { memoryOf } from './memory.ts';
import { findTool, toolsOf } from './tools-of.ts';
import { withWayOut } from './way-out.ts';

type Claimed = Extract<Claim, { kind: 'claimed' }>;

export async function act(deps: ActivityDeps, claim: Claimed, attempt: Attempt): Promise<CallResult> {
  const { run, call, predecessor } = claim;
  const found = findTool(toolsOf(deps, run), call.tool);
  if (found?.kind !== 'built-in')
    return { status: 'failed', output: `This worker has no tool "${call.tool}".`, failed: true };
  const { tool } = found;
  const output = createCallOutput(deps, run, call, attempt);
  // Claimed, the call counts as begun: what fails from here on leaves its outcome to be judged, so that an outage or a
  // full disk is waited for.
  const { mayUse, commands } = await untilStored(() => checksFor(deps, run, call, tool));
  const place = {
    ...{ id: run.id, tenantId: run.tenant_id, projectPath: deps.place(run), beside: besideOf(run) },
    variables: presetOf(run)?.environment,
    ...{ mode: run.exec_mode, container: run.container as ContainerRef | null, mayUse },
  };
  const hosts = tool.hosts?.(call.input) ?? [];
  const lent = await untilStored(() => deps.openSandbox(place)).catch((error: unknown) => {
    if (error instanceof SandboxRefusal) return error;
    throw error;
  });
  if (lent instanceof SandboxRefusal) return unopened(deps, { tool, predecessor, attempt }, lent);
  const held = commands === undefined ? lent : holdCommands(lent, commands);
  const sandbox = hosts.length === 0 ? held : withWayOut(held, wayOutOf(deps, call, hosts));
  let checkpoint: Checkpoint | undefined;
  try {
    const missing = run.has_files ? await placeFiles(deps, run, lent.root) : undefined;
    checkpoint = await openCheckpoint(deps, { run, call, tool, sandbox, attempt });
    const context: ToolContext = {
      runId: run.id,
      callId: call.call_id,
      key: `${run.id}/${call.call_id}`,
      sandbox,
      signal: attempt.signal,
      ...(call.runs !== null && { runs: call.runs }),
      recordHandle: (handle) => untilStored(() => noteHandle(deps.log.db, attempt.ref, handle)),
      noteIntent: (intent) => untilStored(() => noteIntent(deps.log.db, call, intent)),
      wholeOutput: (key) =>
        untilStored(() => toldOutput({ db: deps.log.db, contents: deps.contents }, run, key)),
      peek: (name) => untilStored(() => peekAt(deps.log.db, run, name)),
      memory: memoryOf(deps, run, call),
      skill: (name) => deps.skills.load(place.projectPath, name),
      output: output.add,
    };
    if (predecessor) {
      const verdict = await judgePredecessor(deps, { run, call, tool, predecessor, attempt, context });
      if (verdict) return verdict;
    }
    const told = missing === undefined ? tool : withMissing(tool, missing);
    return await runInTime(deps, told, call, context, attempt);
  } finally {
    // Whatever becomes of the last look: a sandbox that is not given back is never let go of, nor is its container.
    try {
      await checkpoint?.close();
    } finally {
      try {
        await output.close();
      } finally {
        await sandbox.close();
      }
    }
  }
}

function wayOutOf({ waysOut, log, logger }: ActivityDeps, call: CallRow, hosts: readonly string[]) {
  return {
    ...{ waysOut, hosts },
    keep: async (contacts: readonly NetworkContact[]): Promise<void> => {
      // A command may look for a host by what it has found out.
      const shown = contacts.map((contact) => ({
        ...contact,
        host: log.redact(contact.host),
        problem: contact.problem === null ? null : log.redact(contact.problem),
      }));
      await keepNetwork(log.db, call, shown).catch((error: unknown) =>
        logger.warn(
          { err: error, runId: call.run_id },
          'what a command reached in the network was not stored',
        ),
      );
    },
  };
}

/** The second look at every path, and at the names in a command, against the profiles the run began with. */
async function checksFor(
  deps: ActivityDeps,
  run: RunRow,
  call: CallRow,
  tool: Tool,
): Promise<{ mayUse: PathCheck; commands: CommandCheck | undefined }> {
  const context = await reviewContextOf({ ...deps, db: deps.log.db }, run);
  const { name, effect, subjectKind } = tool;
  const wanted = { tool: name, effect, subject: call.subject, subjectKind };
  const isCommand = effect === 'execute' && (subjectKind ?? 'command') === 'command';
  return {
    mayUse: createPathCheck(context.scopes, wanted, context),
    commands: isCommand ? createCommandCheck(context.scopes, wanted, context) : undefined,
  };
}

async function runInTime(
  deps: ActivityDeps,
  tool: Tool,
  call: CallRow,
  context: ToolContext,
  attempt: Attempt,
): Promise<CallResult> {
  const limit = createTimeLimit(call.timeout_seconds * 1000);
  const signal = AbortSignal.any([attempt.signal, limit.signal]);
  try {
    const result = await tool.run(call.input, {
      ...context,
      signal,
      sandbox: startingUncounted(context.sandbox, limit),
      recordHandle: (handle) => limit.uncounted(() => context.recordHandle(handle)),
      noteIntent: (intent) => limit.uncounted(() => context.noteIntent(intent)),
    });
    limit.clear();
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
    if (limit.signal.aborted && !attempt.signal.aborted) {
      return {
        status: 'failed',
        output: `Stopped after ${call.timeout_seconds} seconds, its time limit.`,
        failed: true,
      };
    }
    if (reason instanceof Superseded || reason instanceof StreamEnded) throw reason;
    return stopped('Stopped: the run was told to end while this was under way.');
  } finally {
    limit.clear();
  }
}

function stopped(output: string): CallResult {
  return { status: 'stopped', output, failed: true };
}

function statusOf({ ok, denied, unknown }: ToolResult): CallResult['status'] {
  if (ok) return 'succeeded';
  if (denied) return 'denied';
  return unknown ? 'unknown' : 'failed';
}

async function toCallResult(deps: ActivityDeps, tenantId: string, result: ToolResult): Promise<CallResult> {
  const status = statusOf(result);
  const cut = await cutOutput(deps.log.redact(result.output), (mediaType, bytes) =>
    // The tool has acted: an outage of Postgres must not make a failure of what it did.
    untilStored(() => deps.contents.put(tenantId, mediaType, bytes)),
  );
  return { status, ...cut, failed: !result.ok };
}
