// What the activities are given: once by the worker process, which builds and closes it, and anew for each attempt. All
// that the plain code of step/ and call/ knows of the first level.
import type { Logger } from 'pino';
import type { Egress } from './egress/egress.ts';
import type { WebhookSender } from './egress/send-webhook.ts';
import type { WaysOut } from './egress/ways-out.ts';
import type { Progress } from './git/record-files.ts';
import type { BroughtFiles } from './git/bring-files.ts';
import type { ProjectFiles } from './git/project-text.ts';
import type { Rewind } from './git/rewind.ts';
import type { Skills } from './git/skills.ts';
import type { RecordedTree } from './git/tree.ts';
import type { Llm, LlmUsage } from './llm/llm.ts';
import type { LentSandbox } from './sandbox/run-sandboxes.ts';
import type { Files, Handles, PathRule, SandboxRun } from './sandbox/sandbox.ts';
import type { AttemptRef, NewAttempt } from './store/runs/attempts.ts';
import type { Stops } from './store/runs/stops.ts';
import type { Contents } from './store/log/contents.ts';
import type { ModelConfig } from '../workflows/contracts/model-config.ts';
import type { PolicyProfile } from '../workflows/contracts/policy.ts';
import type { Queries } from './store/db/database.ts';
import type { EventLog, Superseded } from './store/log/events.ts';
import type { Redactor } from './store/log/redaction.ts';
import type { ScopeRef } from './store/policies/policies.ts';
import type { RewindRow } from './store/runs/rewinds.ts';
import type { StartNeeds } from './store/lifecycle/start-run.ts';
import type { RetentionSettings } from './store/retention/retention-table.ts';
import type { RunRow } from './store/runs/runs.ts';
import type { OccurrenceRow } from './store/schedules/occurrences.ts';
import type { Tool } from './tools/tool.ts';

export type RunPlace = Pick<
  RunRow,
  'conversation_id' | 'project_path' | 'work_tree' | 'executor' | 'on_executor'
>;

export interface ActivityDeps {
  log: EventLog;
  contents: Contents;
  /** Hides known secrets in what streams through, also where one is split over pieces. */
  redactor: Redactor;
  logger: Logger;
  executor: { id: string };
  /** The executor whose machine this is, by name. Null: it is the server's, for the runs that need none. */
  machine: string | null;
  llms: Llm[];
  /** The same, called with the key of this name; undefined where this worker has no such key. */
  llmsWith(key: string): Llm[] | undefined;
  /** What is configured for a model; empty where nothing is. */
  modelConfigOf(tenantId: string, model: string): Promise<ModelConfig>;
  price: ModelPrice;
  /** How much prompt and answer the server of a model takes, in tokens. */
  windowOf(model: string): number;
  /** What files of a project say to agents, up to so many bytes; undefined where there are none, or none are wanted. */
  projectText(project: string, most: number): Promise<ProjectFiles | undefined>;
  tools: readonly Tool[];
  skills: Skills;
  /** A version of a policy profile; undefined when there is none, and then nothing is allowed. */
  profileOf(tenantId: string, ref: ScopeRef, queries: Queries): Promise<PolicyProfile | undefined>;
  stops: Stops;
  /** How long people have to answer what a run asks them. */
  approvalSeconds: number;
  /** The run's sandbox, with its project or a folder of its own, as one call may use it. */
  openSandbox(run: SandboxRun & { mayUse: PathRule }): Promise<LentSandbox>;
  /** The files of a directory, without its commands, for what the platform itself reads or puts there. */
  withFiles<Result>(
    root: string,
    mayUse: PathRule | undefined,
    use: (files: Files) => Promise<Result>,
  ): Promise<Result>;
  /** For commands that policy has allowed to reach something. */
  waysOut: WaysOut;
  /** For what messages name by its address. */
  egress: Egress;
  webhooks: Pick<WebhookSender, 'send'>;
  /** Where the run works; null without a project. */
  place(run: RunPlace): string | null;
  trees: {
    /**
     * Records where the run works; throws ProjectProblem with a sentence when there is nothing to record. `since`: the
     * tree at the run's start, whose files are recorded even where the project has come to ignore them; so are those of
     * `also`.
     */
    record(
      run: RunRow,
      how?: { since?: string | undefined; also?: readonly string[] },
    ): Promise<RecordedTree>;
    /**
     * The same at the run's start. For one with a tree of its own that tree is made, unless an earlier run of the
     * conversation has it: `origin` is what that was made from. `progress` is told between parts of a first recording
     * of many files.
     */
    begin(run: RunRow, origin: string | undefined, progress: Progress): Promise<RecordedTree>;
    /** Brings the place back to `to`, as far as the run of the spans changed it. May be begun again. */
    rewind(run: RunRow, how: Rewind): Promise<BroughtFiles>;
    /** Brings what differs between the two trees from the run's own tree to the project. May be begun again. */
    bringHome(
      run: RunRow,
      how: { from: string; to: string; exceptConflicts: boolean },
    ): Promise<BroughtFiles>;
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
  /** The same for a rewind that was asked for with the end of a run. */
  startRewind(rewind: RewindRow): void;
  /** Tells a run's workflow that there is something for it in the rows; never throws, the sweeper repairs. */
  wakeRun(runId: string): void;
  schedules: ScheduleDeps;
  /** Tells the dispatcher of a tenant that there is something for it in the rows; never throws, the sweeper repairs. */
  wakeDispatcher(tenantId: string): void;
}

/** What scheduled runs are accepted with. */
export interface ScheduleDeps {
  needs: StartNeeds;
  /** What the nightly pruning goes by. */
  retention: RetentionSettings;
  /** Starts the workflow of an occurrence, and wakes it; neither throws, the sweeper repairs. */
  started(row: OccurrenceRow): void;
  wake(occurrenceId: string): void;
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
