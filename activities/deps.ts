// What the activities are given: once by the worker process, which builds and closes it, and anew for each attempt. All
// that the plain code of step/ and call/ knows of the first level.
import type { Logger } from 'pino';
import type { Progress } from './git/record-files.ts';
import type { Llm, LlmUsage } from './llm/llm.ts';
import type { LentSandbox } from './sandbox/run-sandboxes.ts';
import type { Handles, PathRule, SandboxRun } from './sandbox/sandbox.ts';
import type { AttemptRef, NewAttempt } from './store/runs/attempts.ts';
import type { Stops } from './store/runs/stops.ts';
import type { Contents } from './store/log/contents.ts';
import type { PolicyProfile } from '../workflows/contracts/policy.ts';
import type { Queries } from './store/db/database.ts';
import type { EventLog, Superseded } from './store/log/events.ts';
import type { ScopeRef } from './store/policies/policies.ts';
import type { RunRow } from './store/runs/runs.ts';
import type { Tool } from './tools/tool.ts';

export interface ActivityDeps {
  log: EventLog;
  contents: Contents;
  /** Hides known secrets in what streams through, also where one is split over pieces. */
  redactor: { stream(): { push(chunk: string): string; end(): string } };
  logger: Logger;
  executor: { id: string };
  llms: Llm[];
  price: ModelPrice;
  tools: readonly Tool[];
  /** A version of a policy profile; undefined when there is none, and then nothing is allowed. */
  profileOf(tenantId: string, ref: ScopeRef, queries: Queries): Promise<PolicyProfile | undefined>;
  stops: Stops;
  /** How long people have to answer what a run asks them. */
  approvalSeconds: number;
  /** The run's sandbox, with its project or a folder of its own, as one call may use it. */
  openSandbox(run: SandboxRun & { mayUse: PathRule }): Promise<LentSandbox>;
  trees: {
    /**
     * The project's tree hash; throws ProjectProblem with a sentence when there is nothing to record. `since`: the
     * tree at the run's start, whose files are recorded even where the project has come to ignore them. `progress` is
     * told between parts of a first recording of many files.
     */
    record(projectPath: string, since?: string, progress?: Progress): Promise<string>;
  };
  /** Kills what an earlier attempt left running and returns once it is seen gone, or cannot be reached from here. */
  killHandle: Handles['kill'];
  /** Whether the run has commands in the background of this process. */
  hasBackground(runId: string): boolean;
  /** Ends what a run left running in this process. */
  endBackground(runId: string): Promise<void>;
  /** The same of a run that has ended, and lets go of its sandbox. */
  leaveRun(runId: string): Promise<void>;
  /**
   * Asks Temporal to cancel an execution of a workflow: only after that can it close as cancelled. Does nothing where it
   * has closed. Throws while Temporal does not answer.
   */
  cancelWorkflow(execution: { workflowId: string; runId: string }): Promise<void>;
  /** Starts the workflow of a run whose turn has come; never throws, the sweeper repairs. */
  startRun(run: RunRow): void;
}

/** Integer micro-dollars, rounded up. `priced` is false when the ceiling was charged for want of a price. */
export type ModelPrice = (model: string, usage: LlmUsage) => { costMicros: number; priced: boolean };

/** What Temporal has given to this worker. */
export interface ActivityTask {
  task: NewAttempt;
  /** Aborted with RunStopped, WorkerStopping, Superseded or CalledOff. */
  signal: AbortSignal;
  /** Called when a write finds the fence taken: the work is no longer wanted. */
  supersede(error: Superseded): void;
}

/** A task whose attempt the store has opened. */
export interface Attempt extends ActivityTask {
  ref: AttemptRef;
}

/** The reason of a signal aborted because this worker process shuts down. */
export class WorkerStopping extends Error {
  override name = 'WorkerStopping';
}

/** The reason of a signal aborted because Temporal no longer wants this attempt; the cause is what it said. */
export class CalledOff extends Error {
  override name = 'CalledOff';
}

/** The project cannot be worked in; the message is for people. */
export class ProjectProblem extends Error {
  override name = 'ProjectProblem';
}
