// The activities as the workflow sees them. Inputs and results sit in histories: they are a wire format, so
// they hold ids, numbers and short names, never the text of a message, a tool's output or a file.
import type { CallOrder, Decision } from './call.ts';
import type { RunStatus, StopReason } from './run.ts';
import type { Outcome } from './schedule.ts';

export interface AgentRunInput {
  tenantId: string;
  runId: string;
  requestId: string;
  /** Which execution of the run this is; 0 is the first. */
  generation: number;
  /** Steps already made; above 0 only after continue-as-new. */
  step?: number;
  /** What a first execution needs to know before it has looked at the run's row; absent: it looks first. */
  fresh?: { project: boolean; seconds: number };
  /** Events after which the workflow continues as new; 2,000 unless a test wants to see it sooner. */
  historyEvents?: number;
}

/**
 * What a run has come to, for people who look at Temporal's UI: its workflow closes with this. Absent in older
 * histories, whose workflows complete without a result.
 */
export interface RunResult {
  status: RunStatus;
  reason: StopReason;
  steps: number;
  costMicros: number;
}

export interface RunRef {
  tenantId: string;
  runId: string;
  requestId: string;
}

export interface BeginRunInput extends RunRef {
  /** The first execution id of the workflow chain: the run belongs to exactly one. */
  executionId: string;
  /** Which execution of the run this is, as it was started. */
  generation: number;
}
export interface BeginRunResult {
  /** False: the run belongs to another execution, or has ended. End silently. */
  proceed: boolean;
  /** Steps already stored: above 0 when a new execution takes a run over. */
  step: number;
  /** Which execution this is for the run; attempts of different generations never mix. */
  generation: number;
  /** Whether the run has a project, whose tree is recorded at its start and end. */
  project: boolean;
  /** The executor on whose machine its calls act; absent: the server's own. */
  executor?: string;
  /** Calls of that step which still need a result, in call order. */
  openCalls: PlannedCall[];
  /** Nothing but the run's end comes after them: its last answer was whole and asked for no more. */
  ends?: boolean;
  /** Wall time left in milliseconds; 0 when it is up. */
  leftMs: number;
  /** When it does not proceed: what the run has come to, if it has ended. */
  result?: RunResult;
}

/** A call the model asked for, after the review against policy. */
export interface PlannedCall {
  callId: string;
  tool: string;
  /** Tool and subject, at most 100 characters: what Temporal's UI shows. */
  summary: string;
  decision: Decision;
  rule: string;
  timeoutSeconds: number;
  /** Absent: planned by a worker that knew of no order, and made beside the others. */
  order?: CallOrder;
  /** The doubt that an earlier execution found in an earlier call of the same answer. */
  after?: Doubt;
}

/** A call that left in doubt what it did: writes after it in the same answer are not made. */
export interface Doubt {
  callId: string;
  status: 'unknown' | 'stopped';
}

export interface CallModelInput extends RunRef {
  step: number;
  generation: number;
  /** The first execution id of the workflow chain, when this call is also the begin of the run. */
  begins?: string;
  /** How often this execution has waited for a person's money at this step already. */
  pauses?: number;
}
export type CallModelResult =
  | { kind: 'calls'; calls: PlannedCall[]; finish: boolean }
  /** `ended`: nothing was left to do, and the run has ended with the answer, in this status. */
  | { kind: 'answer'; ended?: RunStatus; result?: RunResult }
  /** The run belongs to another execution, or had ended before it began; then `result` says how. */
  | { kind: 'foreign'; result?: RunResult }
  | { kind: 'limit'; reason: StopReason; detail?: string }
  /** The money is used up, a person is asked for more, and the step is asked for again once that is given. */
  | { kind: 'paused'; waits: string; reason: StopReason }
  | { kind: 'stopped' };

export interface RunToolInput extends RunRef {
  callId: string;
  tool: string;
  generation: number;
  /** What the tool may take; the attempt's own timeout is made from it. */
  timeoutSeconds: number;
  /** The call is not made because of this one before it; its result says so. */
  after?: Doubt;
}
export interface RunToolResult {
  /** How the call ended; `waiting`: it has not, and is over once a look into the rows says so. */
  status: string;
  bytes: number;
}

export interface SnapshotProjectInput extends RunRef {
  when: 'start' | 'end';
}
export interface SnapshotProjectResult {
  /** Why there is no project to work in, for people. */
  problem?: string;
}

/** What people have said to a run that its workflow must act on. */
export interface PendingInputResult {
  stop: 'none' | 'interrupt' | 'cancel';
  /** Answers to what the present step asked; `waits`: a call's id, or `limit`. */
  answered: { waits: string; allowed: boolean }[];
  /** How many messages the run has not read yet; absent: none. */
  messages?: number;
  /** Nothing has been heard of its executor for so long that the run is given up: why, for people. */
  lost?: string;
  /** How many questions are still open. */
  open: number;
  /** When the next deadline or escalation of that is due, in milliseconds from now. */
  dueMs?: number;
}

export interface FinishRunInput extends RunRef {
  step: number;
  /** The first execution id of the workflow chain, which may have to end a run before it has begun it. */
  executionId: string;
  /** Which execution this is for the run. */
  generation: number;
  outcome: 'succeeded' | 'failed' | 'timed_out' | 'stopped';
  reason: StopReason;
  /** A sentence for people when the reason code does not say it all; at most 500 characters. */
  detail?: string;
}
export interface FinishRunResult {
  /** False: something came in that must be applied first, the loop goes on. */
  finished: boolean;
  /** It goes on once a message has come: subagents are at work, or a person says something. */
  waits?: true;
  /** The run's status when it has ended. */
  status?: RunStatus;
  result?: RunResult;
}

export interface RewindInput {
  tenantId: string;
  rewindId: string;
  runId: string;
  /** As of its run. */
  executor?: string;
}
export interface RewindProjectInput extends RewindInput {
  /** The first execution id of the workflow chain: the rewind belongs to exactly one. */
  executionId: string;
}

/** What Temporal's schedule starts its workflow with; which due time it is for, the workflow's id says. */
export interface ScheduleRunInput {
  tenantId: string;
  scheduleId: string;
  /** Which execution of the occurrence this is; absent: the first. */
  generation?: number;
}

export interface AttendScheduleInput {
  tenantId: string;
  scheduleId: string;
  generation: number;
  /** When Temporal began the workflow, in milliseconds: what was due by then is due, whatever a worker's clock says. */
  startedAt: number;
}
export interface AttendScheduleResult {
  /** There is nothing more to do. */
  done: boolean;
  /** Look again after so many milliseconds; absent: when woken. */
  againMs?: number;
  /** What has become of it; absent: nothing was due at that time. */
  outcome?: Outcome;
  runId?: string;
}

export interface DispatchInput {
  tenantId: string;
  /** Which execution of the dispatcher this is. */
  generation: number;
}

export interface AttendTasksInput extends DispatchInput {
  /** The first execution id of the workflow chain: one chain hands out. */
  executionId: string;
}
export interface AttendTasksResult {
  /** Another execution hands out by now. */
  done: boolean;
  /** Look again after so many milliseconds; absent: when woken. */
  againMs?: number;
}

/** What a webhook's workflow is started with. */
export interface DeliverHooksInput {
  tenantId: string;
  webhookId: string;
  generation: number;
}

export interface AttendWebhookInput extends DeliverHooksInput {
  /** The first execution id of the workflow chain: one chain sends. */
  executionId: string;
}
export interface AttendWebhookResult {
  /** Another execution sends by now, or the webhook is gone. */
  done: boolean;
  /** Look again after so many milliseconds; absent: when woken. */
  againMs?: number;
}

export interface Activities {
  beginRun(input: BeginRunInput): Promise<BeginRunResult>;
  snapshotProject(input: SnapshotProjectInput): Promise<SnapshotProjectResult>;
  callModel(input: CallModelInput): Promise<CallModelResult>;
  runTool(input: RunToolInput): Promise<RunToolResult>;
  pendingInput(input: RunRef): Promise<PendingInputResult>;
  finishRun(input: FinishRunInput): Promise<FinishRunResult>;
  rewindProject(input: RewindProjectInput): Promise<void>;
  attendSchedule(input: AttendScheduleInput): Promise<AttendScheduleResult>;
  attendTasks(input: AttendTasksInput): Promise<AttendTasksResult>;
  attendWebhook(input: AttendWebhookInput): Promise<AttendWebhookResult>;
}
