// What a run is on every wire: its statuses, limits, the body that starts one and the view people read.
import { z } from 'zod';
import { HomecomingView } from './checkpoint.ts';
import { ContainerRef, WantedContainer } from './container.ts';
import { presetId, RunPreset, RunWorkspace, Sources, Variables, workspaceField } from './configuration.ts';
import { DelegationView, RunKind, wakeUpField } from './delegation.ts';
import { DeniedCalls } from './denied-calls.ts';
import { ExecutorOfRun, WantedExecutor } from './needed-executor.ts';
import { ExternalTool } from './external-tool.ts';
import { InputParts } from './input-part.ts';
import { flag, id, money, ownerKey, page, projectPath, text, tokens, when } from './fields.ts';
import { Became } from './receipt.ts';

export const runStatuses = [
  'queued',
  'running',
  'waiting_workers',
  'awaiting_input',
  'gating',
  'succeeded',
  'failed',
  'timed_out',
  'interrupted',
  'cancelled',
] as const;
export const RunStatus = z.enum(runStatuses).meta({ id: 'RunStatus' });
export type RunStatus = z.infer<typeof RunStatus>;

export const priorities = ['critical', 'high', 'normal', 'low'] as const;
/** How a run's commands are contained: see `GET /sandboxes` for what each keeps them from reaching. */
export const execModes = ['mount', 'bubblewrap', 'sandbox', 'container'] as const;
export const ExecMode = z.enum(execModes).meta({ id: 'ExecMode' });
export type ExecMode = z.infer<typeof ExecMode>;

/** As a request names it: hybrid is the best kind that contains, on a copy that comes home when the run succeeds. */
export const AskedMode = z.enum([...execModes, 'hybrid']).meta({ id: 'AskedMode' });
export type AskedMode = z.infer<typeof AskedMode>;

/** Where a run works: in the directory of its project, or on a copy of it that is brought home by `apply`. */
export const WorkTree = z.enum(['in-place', 'own']).meta({ id: 'WorkTree' });
export type WorkTree = z.infer<typeof WorkTree>;

export const Priority = z.enum(priorities).meta({ id: 'Priority' });
export type Priority = z.infer<typeof Priority>;

/** Why a run ended, beside its status; `reason` in a view is this code, `reasonText` the sentence. */
export const stopReasons = [
  'finished',
  'interrupted',
  'cancelled',
  'limit_steps',
  'limit_seconds',
  'limit_cost',
  'limit_tokens',
  'stalled',
  'limit_calls',
  'allowance_denied',
  'model_failed',
  'model_unavailable',
  'answer_cut',
  'answer_empty',
  'context_too_long',
  'input_missing',
  'workflow_gone',
  'project_missing',
  'executor_lost',
  'internal_error',
] as const;
export const StopReason = z.enum(stopReasons).meta({ id: 'StopReason' });
export type StopReason = z.infer<typeof StopReason>;

/** What an answer lacks: cut at its longest length, neither text nor a call, paused in the middle of a turn. */
export const Unfinished = z.enum(['cut', 'empty', 'paused']).meta({ id: 'Unfinished' });
export type Unfinished = z.infer<typeof Unfinished>;

// Several times what any model can write in one answer.
const mostOutputTokens = 1_000_000;

export const RunLimits = z
  .strictObject({
    steps: z.int().min(1).max(100_000).optional().describe('Model calls this run may make.'),
    seconds: z.int().min(1).max(31_536_000).optional().describe('Wall time from the start, in seconds.'),
    costMicros: money.min(1).optional().describe('Money this run may spend, in micro-dollars.'),
    tokens: tokens.min(1).optional().describe('Input and output tokens this run may use.'),
    maxOutputTokens: z
      .int()
      .min(1)
      .max(mostOutputTokens)
      .optional()
      .describe(
        'Output tokens of one model call, thinking included: what is reserved for it and its server is told. Left ' +
          'out: the longest answer of the model, at most 32,000.',
      ),
  })
  .meta({ id: 'RunLimits' });
export type RunLimits = z.infer<typeof RunLimits>;

/** What holds for a run: its policy profile's limits, with those of its request in their place. */
export type EffectiveLimits = Required<Omit<RunLimits, 'maxOutputTokens'>> &
  Pick<RunLimits, 'maxOutputTokens'>;

export const Metadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((value) => Object.keys(value).length <= 32, 'at most 32 keys')
  .meta({ id: 'Metadata', maxProperties: 32 });

// What a message does when its conversation has an active run.
export const WhenBusy = z.enum(['reject', 'queue', 'steer', 'interrupt']).meta({ id: 'WhenBusy' });
export type WhenBusy = z.infer<typeof WhenBusy>;

/** What a run does at a limit of money, tokens or calls that more money or time would lift. */
export const OverBudget = z.enum(['pause', 'fail']).meta({ id: 'OverBudget' });
export type OverBudget = z.infer<typeof OverBudget>;

export const modelName = z
  .string()
  .min(3)
  .max(200)
  .regex(/^[a-z0-9-]+\/\S+$/, 'must be provider/model, such as scripted/hello');

export const policyName = z.string().min(1).max(100);

export const ProjectRef = z.strictObject({ path: projectPath });

const newMessage = {
  prompt: text,
  parts: InputParts.optional(),
  preset: presetId
    .nullish()
    .describe(
      'The preset it goes by, in its newest version; what the request says itself comes first. null: none, also where ' +
        'the run before had one or one is the default.',
    ),
  variables: Variables.optional().describe(
    'Values for the variables that the instructions of its preset declare. They stand for the runs that follow with the ' +
      'same preset.',
  ),
  project: ProjectRef.nullish().describe(
    'The directory it works in. null: a scratch folder of its own, also where the run before had a directory.',
  ),
  workspace: workspaceField,
  model: modelName.optional(),
  policy: policyName
    .optional()
    .describe(
      'A policy profile. Unsaid, a run of a new conversation has the one that applies to its project or everywhere; else ' +
        '`ask-before-changes` where it is attended, and `headless-safe-sandbox` where it is not.',
    ),
  priority: Priority.optional(),
  limits: RunLimits.optional(),
  metadata: Metadata.optional(),
  owner: ownerKey
    .optional()
    .describe(
      'Whom it counts for besides: it draws from the allowance `owner/<this>` too, where there is one.',
    ),
  whenBusy: WhenBusy.optional(),
  fromRunId: id
    .optional()
    .describe(
      'Go on from this run, an earlier one of the conversation: what was said after it stays readable and is in no context ' +
        'any more, also where this run fails. Files stay as they are; POST /runs/{id}/rewind takes back what a run changed. ' +
        'What the message leaves out is as in that run. Not with `whenBusy: steer`.',
    ),
  attended: z
    .boolean()
    .optional()
    .describe(
      'A person is there to answer: what policy asks about waits for them. Else it is denied at once.',
    ),
  overBudget: OverBudget.optional().describe(
    'At a limit of money or of an allowance: pause asks and waits for people, at most as long as an approval is open; fail ' +
      'ends the run, after ten minutes where only what other calls hold is in the way. Without it an attended run pauses, ' +
      'another fails. A wait for a place among concurrent runs is neither.',
  ),
  externalTools: z
    .array(ExternalTool)
    // Every model call carries them all.
    .max(64)
    .optional()
    .describe('Tools that you execute yourself: the run waits for POST /runs/{id}/results.'),
  workTree: WorkTree.optional().describe(
    'in-place: in the directory of the project, where one conversation writes at a time. own: on a copy of it, as it is when ' +
      'the first run of the conversation begins; POST /runs/{id}/apply brings the changes home. Unsaid: own in sandbox, else ' +
      'in-place.',
  ),
  execMode: AskedMode.optional().describe(
    'The kind of sandbox its commands run in; GET /sandboxes says what each contains and which can be used here. Unsaid: ' +
      'mount for an attended run, for workTree in-place and for the policy trusted-mount-autonomous, else the first of ' +
      'sandbox, bubblewrap and mount that can be used here. The setting sandbox.unattended may say mount. hybrid: sandbox ' +
      'or bubblewrap on a copy of the project, and when the run succeeds its changes come home as by POST ' +
      '/runs/{id}/apply; where one of its files was changed there meanwhile, or another run writes there, none does.',
  ),
  container: WantedContainer.optional(),
  executor: WantedExecutor,
  acceptNoContainment: z
    .boolean()
    .optional()
    .describe(
      'Run it where the sandbox does not contain what a command can reach, though a policy that applies requires it. ' +
        'Said for one run; it is recorded and shown with it.',
    ),
  wakeUp: wakeUpField,
  messageId: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Your own id for this message: sent twice with one id, it is applied once.'),
};

// Which of its settings stand for the runs that follow, and why, is in activities/store/lifecycle/configuration.ts.
export const StartRunBody = z
  .strictObject({ ...newMessage, conversationId: id.optional() })
  .meta({ id: 'StartRunBody' });
export type StartRunBody = z.infer<typeof StartRunBody>;

export const SendMessageBody = z.strictObject(newMessage).meta({ id: 'SendMessageBody' });
export type SendMessageBody = z.infer<typeof SendMessageBody>;

// Proxies and browsers give up after 30 to 60 seconds without an answer; a client that waits longer asks again.
const waitSeconds = z.coerce.number().int().min(1).max(25);

export const WaitQuery = z.strictObject({
  seconds: waitSeconds.optional().describe('How long to wait at most; 25 unless said otherwise.'),
});
export const StartRunQuery = z.strictObject({
  wait: waitSeconds
    .optional()
    .describe('Wait so many seconds for the end of the run. The answer kept for the key stays the 202.'),
});
export type StartRunQuery = z.infer<typeof StartRunQuery>;

export const StartRunView = z
  .object({
    id,
    conversationId: id,
    status: RunStatus,
    became: Became,
    streamUrl: z.string(),
    eventsUrl: z.string(),
  })
  .meta({ id: 'StartRunView' });
export type StartRunView = z.infer<typeof StartRunView>;

export const Usage = z
  .object({ inputTokens: z.int(), cachedInputTokens: z.int(), outputTokens: z.int() })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;

export const RunView = z
  .object({
    id,
    conversationId: id,
    kind: RunKind,
    parentId: id.nullable().describe('The run whose messages it goes on from.'),
    alternativeOf: id
      .nullable()
      .describe(
        'The run whose message it answers anew, the first that did. null: it answers one of its own.',
      ),
    delegation: DelegationView.nullable().describe('Of a subagent; null: a main run.'),
    subagents: z.int().describe('How many it has asked for: GET /runs/{id}/children.'),
    status: RunStatus,
    parked: z
      .boolean()
      .describe('Accepted behind an active run of the same conversation; starts when that ends.'),
    stuck: z.string().nullable().describe('Why its workflow cannot go on, when it cannot.'),
    reason: StopReason.nullable(),
    reasonText: z.string().nullable(),
    prompt: z.string(),
    model: z.string(),
    policy: z.string(),
    priority: Priority,
    project: z.object({ path: z.string() }).nullable(),
    workspace: RunWorkspace.nullable(),
    limits: RunLimits,
    metadata: Metadata,
    attended: z.boolean(),
    overBudget: OverBudget,
    execMode: AskedMode,
    container: ContainerRef.nullable().describe('The container of yours that the mode container uses.'),
    executor: ExecutorOfRun.nullable(),
    workTree: WorkTree,
    homecoming: HomecomingView.nullable().describe(
      'How the newest try to bring home what it changed went. null: there was none, as in-place, where nothing has to.',
    ),
    owner: z.string().nullable().describe('Whom it counts for besides.'),
    preset: RunPreset.nullable().describe('The one it goes by, in the version it began with.'),
    externalTools: z.array(z.string()).describe('The names of the tools that its caller executes.'),
    sources: Sources.nullable().describe(
      'Where each of these settings comes from. Null for runs from before this was recorded.',
    ),
    acceptNoContainment: z
      .boolean()
      .describe('Its request accepted a sandbox that contains nothing, whatever its policies require.'),
    deniedCalls: DeniedCalls.nullable().describe(
      'The calls that were denied in the end: by policy, by a person, or because no answer came in time. Null until the run has ended.',
    ),
    steps: z.int(),
    usage: Usage,
    costMicros: z.int().describe('What it has spent, in micro-dollars.'),
    ceilingCostMicros: z
      .int()
      .describe(
        'The part of `costMicros` that is an estimate: nobody knows the price of the model, and the configured ceiling was charged.',
      ),
    heldCostMicros: z.int().describe('What its model call under way may cost at most: not yet spent.'),
    createdAt: when,
    startedAt: when.nullable(),
    endedAt: when.nullable(),
    finalMessage: z
      .string()
      .nullable()
      .describe(
        'What the last step said: the summary of a call that ended the run, else the text of its answer, with the steps before that it continued where an answer was cut. Null until the run has ended, and when that step said nothing.',
      ),
  })
  .meta({ id: 'RunView' });
export type RunView = z.infer<typeof RunView>;

export const RunListQuery = page.extend({
  status: RunStatus.optional(),
  conversationId: id.optional(),
  active: flag.optional().describe('true: only runs that have not ended.'),
  project: projectPath.optional().describe('Only runs that work in exactly this directory.'),
  subagents: flag.optional().describe('true: runs of every `kind`, and not main runs alone.'),
});
export const RunListView = z
  .object({ items: z.array(RunView), nextCursor: z.string().nullable() })
  .meta({ id: 'RunListView' });
export type RunListView = z.infer<typeof RunListView>;

export const SteerBody = z
  .strictObject({ text, parts: newMessage.parts, messageId: newMessage.messageId })
  .meta({ id: 'SteerBody' });
export type SteerBody = z.infer<typeof SteerBody>;
