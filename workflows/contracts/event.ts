// Every event a stream can hold, as one discriminated union. Append-only: a shape that must change gets a
// new `version`, and every renderer is an exhaustive switch over `type`.
import { z } from 'zod';
import { ContainerRef } from './container.ts';
import { LimitName } from './allowance.ts';
import { ApprovalKind, ApprovalStatus } from './approval.ts';
import { CallStatus, Decision, Effect, Repairs } from './call.ts';
import { KeptFile, RewindTarget, RewindView } from './checkpoint.ts';
import { RunWorkspace, Sources } from './configuration.ts';
import { DeniedCalls } from './denied-calls.ts';
import { id, when } from './fields.ts';
import { PartMode } from './input-part.ts';
import { ExecMode, Priority, RunLimits, RunStatus, StopReason, Unfinished, Usage, WorkTree } from './run.ts';
import { executorEvents, queuedOn } from './needed-executor.ts';
import { scheduleEvents } from './schedule-events.ts';
import { taskEvents } from './task-events.ts';

const step = z.int().min(1);
const callId = z.string();
const by = z.string().describe('Who: the name of the token and the surface, or a part of Perdure.');

export const eventPayloads = {
  // run
  'run-queued': z.object({
    conversationId: id,
    parentId: id.nullable(),
    alternativeOf: id.optional().describe('It answers the message of this run anew.'),
    prompt: z.string().describe('The first 2,000 characters.'),
    messageId: z.string(),
    model: z.string(),
    policy: z.string(),
    priority: Priority,
    parked: z.boolean(),
    project: z
      .object({ path: z.string() })
      .nullish()
      .describe(
        'The directory it works in; null: a scratch folder. Left out by events from before it was said here.',
      ),
    workspace: RunWorkspace.optional().describe('Its first project is that one. Left out: none.'),
    limits: RunLimits.optional().describe('Left out by events from before they were said here.'),
    sources: Sources.optional().describe(
      'Where each of its settings comes from. Left out by events from before it was recorded.',
    ),
    preset: z
      .object({ id: z.string(), version: z.int() })
      .optional()
      .describe('The preset it goes by. Left out: none.'),
    execMode: ExecMode.optional().describe('Left out by events from before there was a choice: mount.'),
    container: ContainerRef.optional().describe('The container of yours in which its commands run.'),
    executor: queuedOn,
    workTree: WorkTree.optional().describe('Left out: in place, or from before there was a choice.'),
    bringsHome: z
      .literal(true)
      .optional()
      .describe('hybrid: its changes come home when it succeeds. Left out: they do not by themselves.'),
    acceptNoContainment: z
      .boolean()
      .optional()
      .describe('The request accepted a sandbox that contains nothing. Left out: it did not.'),
    by,
  }),
  'run-ready': z.object({
    after: id.describe('The run whose end made room for this one.'),
    parentId: id.nullable(),
  }),
  'run-start': z.object({ executionId: z.string(), model: z.string(), scripted: z.boolean() }),
  'run-stuck': z.object({ reason: z.string() }),
  'run-resume': z.object({ reason: z.string() }),
  ...executorEvents,
  /** While the project is recorded for the first time, when that takes longer than a moment. */
  'project-record': z.object({ recorded: z.int(), files: z.int().describe('How many there are.') }),
  'run-end': z.object({
    final: z.literal(true),
    status: RunStatus,
    reason: StopReason,
    reasonText: z.string(),
    steps: z.int(),
    usage: Usage,
    costMicros: z.int(),
    deniedCalls: DeniedCalls.optional().describe('Left out: none, or not counted yet when it was written.'),
    toApply: z
      .literal(true)
      .optional()
      .describe('It changed its own tree: POST /runs/{id}/apply brings that home. Left out: it did not.'),
    bringsHome: z
      .literal(true)
      .optional()
      .describe('hybrid: that is tried at once. Left out: it is not, or another run writes in the project.'),
    rewindId: id
      .optional()
      .describe(
        'What is done with its changes at once, brought home or, as its cancel asked, taken back: ' +
          'GET /runs/{id}/rewinds/{rewindId} says how that went.',
      ),
  }),
  // step
  'step-start': z.object({ step, model: z.string() }),
  /** The run makes no progress: before this step it was asked to plan anew; `replans` counts how often so far. */
  stall: z.object({ step, replans: z.int().min(1) }),
  'step-end': z.object({
    step,
    usage: Usage,
    costMicros: z.int(),
    priced: z.boolean(),
    calls: z.int(),
    unfinished: Unfinished.optional().describe(
      'Why the next step asks for the rest. Left out: it was whole.',
    ),
  }),
  // context
  /** Before this step's answer the model is asked to sum up the conversation, which fills its window. */
  'context-compaction-start': z.object({
    step,
    tokens: z.int().describe('Of the prompt, estimated.'),
    window: z.int().describe('What the server of the model takes, as far as that is known.'),
    refused: z.boolean().describe('The server has found the prompt too long.'),
  }),
  /** A summary stands for the earlier messages from here on; GET /runs/{id}/context shows it. */
  'context-compaction-end': z.object({
    step,
    covers: z.object({ runId: id, step: z.int() }).describe('The last step that it stands for.'),
    messages: z.int().describe('How many messages it stands for in all.'),
    tokensBefore: z.int(),
    tokensAfter: z.int(),
    wordsLeftOut: z.int().describe('Messages of people that are in the summary alone.'),
  }),
  // message: one block is one run of text or of thinking inside a step
  'text-start': z.object({ step, block: z.int() }),
  'text-delta': z.object({ step, block: z.int(), text: z.string() }),
  'text-end': z.object({ step, block: z.int() }),
  'thinking-start': z.object({ step, block: z.int() }),
  'thinking-delta': z.object({ step, block: z.int(), text: z.string() }),
  'thinking-end': z.object({ step, block: z.int() }),
  /** A file that a message names by its address or path has been fetched, or cannot be had. */
  'part-end': z.object({
    step,
    name: z.string(),
    from: z.string().nullable(),
    mode: PartMode,
    mediaType: z.string().nullable(),
    size: z.int().nullable(),
    problem: z.string().nullable(),
  }),
  /**
   * What this step streamed so far, if anything, came from an attempt that failed: drop it, the next attempt starts
   * over.
   */
  'message-reset': z.object({ step, reason: z.string() }),
  'message-end': z.object({ step, text: z.string() }),
  // call
  'call-request': z.object({
    step,
    callId,
    tool: z.string(),
    input: z.string().describe('The arguments as JSON, cut at 4,000 characters.'),
    repairs: Repairs.optional(),
    effect: Effect.nullable(),
    subject: z.string(),
    runs: z
      .string()
      .optional()
      .describe(
        'What runs in place of the subject, cut at 4,000 characters; absent where it is the same text.',
      ),
    decision: Decision,
    rule: z.string(),
    reason: z.string(),
  }),
  'call-start': z.object({ callId, tool: z.string() }),
  'call-delta': z.object({ callId, from: z.enum(['stdout', 'stderr']), text: z.string() }),
  'call-end': z.object({
    callId,
    tool: z.string(),
    status: CallStatus,
    output: z.string().describe('The first 2,000 characters.'),
    bytes: z.int(),
    content: z.string().nullable().describe('The content key of the whole output when it was cut.'),
  }),
  /** On the run's stream; once the run has ended, on the tenant's alone: nothing follows a terminal event. */
  'call-settle': z.object({ runId: id, callId, outcome: z.enum(['done', 'not_done']), by }),
  // delegation
  'delegation-start': z.object({
    callId,
    runId: id.describe('The run of the subagent.'),
    name: z.string(),
    async: z.boolean().describe('The call does not wait for it.'),
  }),
  /** The run was told what its subagent came to, once. */
  'delegation-end': z.object({ callId, runId: id, name: z.string(), status: RunStatus, reason: StopReason }),
  /** A subagent, at any depth below this run, asks people. */
  'delegation-approval': z.object({
    runId: id.describe('The run of the subagent.'),
    name: z.string(),
    approvalId: id,
    text: z.string().describe('What is asked, cut at 4,000 characters.'),
    deadlineAt: when,
  }),
  // approval
  'approval-request': z.object({
    approvalId: id,
    kind: ApprovalKind,
    callId: callId.nullable(),
    text: z.string().describe('What is asked, cut at 4,000 characters.'),
    choices: z.array(z.string()),
    deadlineAt: when,
  }),
  'approval-escalation': z.object({ approvalId: id, callId: callId.nullable(), deadlineAt: when }),
  'approval-response': z.object({
    approvalId: id,
    callId: callId.nullable(),
    outcome: ApprovalStatus.exclude(['open']),
    by,
    note: z.string().nullable(),
    edited: z.boolean(),
  }),
  // steer and stop
  'steer-request': z.object({ messageId: z.string(), text: z.string(), by }),
  'steer-response': z.object({
    messageId: z.string(),
    outcome: z.enum(['applied', 'refused']),
    step: z.int().nullable(),
    reason: z.string().nullable(),
  }),
  'interrupt-request': z.object({ messageId: z.string(), by }),
  'cancel-request': z.object({ messageId: z.string(), by }),
  // budget
  /** Once in a run, with its first step: the price of its model is not known, so its cost is an estimate. */
  'price-unknown': z.object({
    model: z.string(),
    ceiling: z
      .object({ inputMicros: z.int(), outputMicros: z.int() })
      .describe('What is charged in its place, in micro-dollars for a million tokens.'),
    setting: z.string().describe('The setting that gives the price.'),
  }),
  /** Once in its period; on the tenant's stream alone when the run that reached it has ended. */
  'budget-warning': z.object({
    allowance: z.string(),
    model: z.string().describe('Of whose calls alone; empty for all.'),
    limit: LimitName,
    percent: z.int().describe('80 or 100.'),
    used: z.int(),
    allowed: z.int(),
    endsAt: when.nullable().describe('Null: it does not end by itself.'),
  }),
  // checkpoint and rewind
  /** The project could not be recorded beside a call, which is made all the same; it cannot be brought back to there. */
  'checkpoint-error': z.object({ callId, reason: z.string() }),
  /** On the run's stream, or on the tenant's alone when the run has ended, as its end is. */
  'rewind-start': z.object({
    runId: id,
    rewindId: id,
    kind: RewindView.shape.kind.optional(),
    to: RewindTarget,
    by,
  }),
  'rewind-end': z.object({
    runId: id,
    rewindId: id,
    kind: RewindView.shape.kind.optional(),
    to: RewindTarget,
    outcome: RewindView.shape.status.exclude(['open']),
    restored: z.int(),
    kept: z.array(KeptFile).describe('The first 20.'),
    keptCount: z.int(),
    problem: z.string().optional(),
  }),
  // control
  'attempt-error': z.object({
    unit: z.string(),
    attempt: z.int(),
    reason: z.string(),
    retry: z.boolean(),
  }),
  'late-write': z.object({ runId: id, unit: z.string(), attempt: z.int(), what: z.string() }),
  /** On the stream of its run or task; on the tenant's alone when that has ended. */
  'dead-letter': z.object({
    runId: id.nullable(),
    taskId: id.optional().describe('In place of a run: the task that used up its attempts.'),
    id,
    kind: z.string(),
    reason: z.string(),
  }),
  ...taskEvents,
  ...scheduleEvents,
} as const;

export type EventType = keyof typeof eventPayloads;
export const eventTypes = Object.keys(eventPayloads) as EventType[];
export type EventPayload<T extends EventType> = z.infer<(typeof eventPayloads)[T]>;

/** An event before it has a place in a stream. */
export type NewEvent = { [T in EventType]: { type: T; payload: EventPayload<T> } }[EventType];

/** An event as stored and as sent: `seq` is gap-free in `stream`, `conversationSeq` in its conversation. */
export type Event = NewEvent & {
  stream: string;
  seq: number;
  conversationSeq: number | null;
  at: string;
  version: number;
  attempt: number;
  source?: EventSource;
};

const EventSource = z
  .object({
    stream: z.string().describe('Such as `run/0190…`, `task/0190…` or `schedule/0190…`.'),
    seq: z.int().nullable().describe('Its number there; null: it is told here alone.'),
  })
  .meta({ id: 'EventSource' });
export type EventSource = z.infer<typeof EventSource>;

const envelope = z.object({
  stream: z.string(),
  seq: z.int(),
  conversationSeq: z.int().nullable(),
  at: when,
  version: z.int(),
  attempt: z.int().describe('The attempt that wrote it; 0 where no attempt is involved.'),
  source: EventSource.optional().describe('In the stream of a tenant: what it tells of.'),
});

const eventSchemas = eventTypes.map((type) =>
  envelope.extend({ type: z.literal(type), payload: eventPayloads[type] }),
);
export const EventView = z
  // The list is built from the table above, which TypeScript cannot follow; `Event` is its type by hand.
  .discriminatedUnion('type', eventSchemas as unknown as [(typeof eventSchemas)[number]])
  .meta({ id: 'Event' }) as unknown as z.ZodType<Event>;

export const EventListView = z
  .object({ items: z.array(EventView), nextCursor: z.string().nullable() })
  .meta({ id: 'EventListView' });
export type EventListView = { items: Event[]; nextCursor: string | null };

/** The stream of one kind of thing, such as `run/0190…`. */
export function streamOf(
  kind: 'run' | 'task' | 'schedule' | 'plan' | 'deployment' | 'tenant',
  of: string,
): string {
  return `${kind}/${of}`;
}
