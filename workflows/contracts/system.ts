// What the platform says about itself: health, processes, models, dead letters.
import { z } from 'zod';
import { failures } from './failures.ts';
import { id, when } from './fields.ts';
import { ExecMode } from './run.ts';

export const HealthView = z
  .object({ status: z.literal('ok'), version: z.string() })
  .meta({ id: 'HealthView' });
export type HealthView = z.infer<typeof HealthView>;

const dependency = z.object({
  state: z.enum(['up', 'down']),
  latencyMs: z.number(),
  problem: z.string().nullable(),
});
/** The disk with the least room of those the data folder lies on. */
export const DiskView = z
  .object({
    folder: z.string(),
    freeBytes: z.int(),
    minFreeBytes: z.int().describe('Below it no new work is accepted.'),
    entriesLeft: z.boolean().describe('Whether the file system takes more files.'),
  })
  .meta({ id: 'DiskView' });
export type DiskView = z.infer<typeof DiskView>;

export const ReadyView = z
  .object({
    status: z.enum(['ready', 'degraded']),
    postgres: dependency,
    temporal: dependency,
    workers: dependency,
    disk: dependency.extend({ room: DiskView.nullable() }),
    bucket: dependency.optional().describe('Only where large content goes into one (PERDURE_S3_BUCKET).'),
  })
  .meta({ id: 'ReadyView' });
export type ReadyView = z.infer<typeof ReadyView>;

export const processNames = ['supervisor', 'api', 'worker', 'postgres', 'temporal'] as const;
export const ProcessView = z
  .object({
    name: z.enum(processNames),
    pid: z.int().nullable(),
    address: z.string().nullable(),
    health: z.enum(['up', 'starting', 'down', 'external']),
    restarts: z.int(),
  })
  .meta({ id: 'ProcessView' });
export type ProcessView = z.infer<typeof ProcessView>;

/** `embedded` is false when this server's processes have no supervisor: then there is nothing to list or kill. */
export const ProcessListView = z
  .object({ embedded: z.boolean(), items: z.array(ProcessView), temporalUi: z.string().nullable() })
  .meta({ id: 'ProcessListView' });
export type ProcessListView = z.infer<typeof ProcessListView>;

export const SandboxView = z
  .object({
    mode: ExecMode,
    contains: z
      .object({ files: z.boolean(), network: z.boolean(), processes: z.boolean() })
      .describe('What a command in it is kept from reaching outside.'),
    reach: z.string().describe('What a command in it can reach, in words.'),
    problem: z.string().nullable().describe('Why it cannot be used here, and what to do about it.'),
  })
  .meta({ id: 'SandboxView' });
export type SandboxView = z.infer<typeof SandboxView>;
export const SandboxListView = z.object({ items: z.array(SandboxView) }).meta({ id: 'SandboxListView' });
export type SandboxListView = z.infer<typeof SandboxListView>;

export const BackupView = z
  .object({
    name: z.string(),
    createdAt: when,
    bytes: z.int(),
    rows: z.int(),
    check: z
      .object({
        at: when,
        restored: z.boolean().describe('false: its files alone were read.'),
        problem: z.string().nullable(),
      })
      .nullable()
      .describe('What the last check of it has found; null: there was none.'),
  })
  .meta({ id: 'BackupView' });
export type BackupView = z.infer<typeof BackupView>;
export const BackupListView = z
  .object({
    items: z.array(BackupView),
    problem: z
      .string()
      .nullable()
      .describe('None of them is both young and good, and what to do; null: all is well.'),
  })
  .meta({ id: 'BackupListView' });
export type BackupListView = z.infer<typeof BackupListView>;

export const ModelView = z
  .object({
    provider: z.string(),
    configured: z.boolean(),
    missing: z.string().nullable().describe('The variable to set when it is not configured.'),
    scripted: z.boolean(),
    models: z.array(z.string()).describe('Names to pass as `model`; other names of the provider work too.'),
    profile: z
      .object({
        name: z.string().describe('What its requests look like: the kind of server that is asked.'),
        why: z.string().describe('What it was chosen by.'),
        byModel: z.record(z.string(), z.string()).describe('Other profiles, by the configuration.'),
      })
      .nullable(),
    default: z.string().nullable(),
  })
  .meta({ id: 'ModelView' });
export type ModelView = z.infer<typeof ModelView>;
export const ModelListView = z
  .object({ items: z.array(ModelView), default: z.string() })
  .meta({ id: 'ModelListView' });
export type ModelListView = z.infer<typeof ModelListView>;

export const DeadLetterView = z
  .object({
    id,
    kind: z.enum(['call', 'run', 'schedule', 'task', 'webhook']),
    runId: id.nullable().describe('Null: of a task or a webhook.'),
    taskId: id.nullable(),
    callId: z.string().nullable(),
    deliveryId: id.nullable().describe('What could not be delivered to a webhook.'),
    reason: z.string(),
    attempts: z.int(),
    createdAt: when,
    resolution: z.enum(['retried', 'dropped']).nullable(),
    resolvedAt: when.nullable(),
    resolvedBy: z.string().nullable(),
    retriedAs: id
      .nullable()
      .describe('The run that asks again what a failed one was asked, or the task made anew.'),
  })
  .meta({ id: 'DeadLetterView' });
export type DeadLetterView = z.infer<typeof DeadLetterView>;
export const DeadLetterListView = z
  .object({ items: z.array(DeadLetterView), nextCursor: z.string().nullable() })
  .meta({ id: 'DeadLetterListView' });
export type DeadLetterListView = z.infer<typeof DeadLetterListView>;

export const DemoView = z
  .object({ runId: id, conversationId: id, project: z.string() })
  .meta({ id: 'DemoView' });
export type DemoView = z.infer<typeof DemoView>;

/** An error on the wire (RFC 9457); `code` is a name out of failures.ts, `fields` says which input is wrong. */
export const ProblemView = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().describe(`One of: ${Object.keys(failures).join(', ')}.`),
    requestId: z.string(),
    fields: z.array(z.object({ path: z.string(), problem: z.string() })).optional(),
    activeRunId: z.string().optional().describe('The run that keeps the conversation busy.'),
    lastRunId: z.string().optional().describe('The run that is not active any more.'),
    version: z.int().optional().describe('The newest version of what was to be changed.'),
    outcome: z.string().optional().describe('How the approval was decided.'),
    decidedBy: z.string().optional(),
    pool: z.string().optional().describe('The allowance that is used up.'),
    limit: z.string().optional().describe('Which of its limits.'),
    allowed: z.int().optional(),
    used: z.int().optional(),
    endsAt: z.string().nullable().optional().describe('When its period ends; null: never by itself.'),
    floor: z.int().optional().describe('Events up to this number are folded.'),
    descendants: z.array(z.string()).optional().describe('Runs that go on from it.'),
  })
  .meta({ id: 'Problem' });
export type ProblemView = z.infer<typeof ProblemView>;
