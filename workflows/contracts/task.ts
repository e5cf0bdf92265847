// What a task is on every wire: a unit of work that the dispatcher gives to an executor, or that an outside agent pulls.
import { z } from 'zod';
import { id, nameText, page, projectPath, shortText, text, when } from './fields.ts';
import { priorities, Priority, StartRunBody } from './run.ts';

export const taskStatuses = [
  'blocked',
  'pending',
  'in_progress',
  'completed',
  'failed',
  'cancelled',
  'skipped',
] as const;
export const TaskStatus = z
  .enum(taskStatuses)
  .meta({ id: 'TaskStatus' })
  .describe(
    'blocked: what it depends on is not completed. pending: it waits for an executor; `reason` says for what. skipped: a ' +
      'task it depends on failed, was cancelled or skipped.',
  );
export type TaskStatus = z.infer<typeof TaskStatus>;

export const taskTitle = nameText(200);

/** What a task asks for and an executor offers. */
export const label = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9][\w.:-]*$/, 'must begin with a letter or digit, then letters, digits, _ . : and -');

// Each is looked for among those of every executor.
export const labels = z.array(label).max(20);

const TaskPriority = z
  .enum([...priorities, 'medium'])
  .describe('Whose turn comes first; medium is another word for normal, which it is unless said.');
export type TaskPriority = z.infer<typeof TaskPriority>;

// A run of its own for every attempt, in a conversation of its own.
export const TaskRun = StartRunBody.omit({
  prompt: true,
  messageId: true,
  conversationId: true,
  whenBusy: true,
  priority: true,
}).meta({ id: 'TaskRun' });
export type TaskRun = z.infer<typeof TaskRun>;

// As many attempts as schedules have at most.
const retries = z.int().min(1).max(20);
// More than a person oversees.
const dependsOn = z.array(id).max(100);

const taskFields = {
  title: taskTitle,
  prompt: text,
  priority: TaskPriority.optional(),
  labels: labels.optional().describe('Only an executor with all of them as capabilities gets it.'),
  files: z.array(shortText(1000)).max(100).optional().describe('Files that it is about.'),
  acceptance: z.array(shortText(2000)).max(50).optional().describe('When it is done, each as a sentence.'),
  dependsOn: dependsOn.optional().describe('Tasks that must be completed before.'),
  retries: retries.optional().describe('Attempts until it has failed for good; 3 unless said.'),
};

export const TaskBody = z
  .strictObject({
    ...taskFields,
    run: TaskRun.optional().describe(
      'What each attempt is run with: the body of POST /runs without prompt. Unsaid, `overBudget` is pause.',
    ),
  })
  .meta({ id: 'TaskBody' });
export type TaskBody = z.infer<typeof TaskBody>;

const version = z.int().min(1).max(2_147_483_647);

export const UpdateTaskBody = z
  .strictObject({
    ...taskFields,
    title: taskTitle.optional(),
    prompt: text.optional(),
    version: version.describe('The version that you have seen.'),
  })
  .meta({ id: 'UpdateTaskBody' });
export type UpdateTaskBody = z.infer<typeof UpdateTaskBody>;

const claim = z
  .int()
  .min(1)
  .max(2_147_483_647)
  .describe('The number of the claim: another one since then, and it counts no more.');

export const TaskView = z
  .object({
    id,
    title: z.string(),
    prompt: z.string(),
    priority: Priority,
    labels: z.array(z.string()),
    files: z.array(z.string()),
    acceptance: z.array(z.string()),
    dependsOn: z.array(id),
    run: TaskRun,
    status: TaskStatus,
    progress: z.int().describe('0 to 100.'),
    note: z.string().nullable().describe('The latest one with its progress.'),
    retries: z.int(),
    attempts: z.int().describe('How many have failed.'),
    lastAttemptAt: when.nullable(),
    reason: z.string().nullable().describe('What it waits for, or why it ended as it did.'),
    againAt: when.nullable().describe('Not before this it is tried again.'),
    claim: z.int().describe('The number of its latest claim; 0: none yet.'),
    executorId: id.nullable().describe('Who has it.'),
    claimedAt: when.nullable(),
    runId: id.nullable().describe('The run of its latest claim; null also for an outside agent.'),
    version,
    createdAt: when,
    createdBy: z.string(),
    updatedAt: when,
    endedAt: when.nullable(),
  })
  .meta({ id: 'TaskView' });
export type TaskView = z.infer<typeof TaskView>;

export const TaskCountsView = z
  .object({ pending: z.int(), blocked: z.int(), inProgress: z.int() })
  .meta({ id: 'TaskCountsView' });
export type TaskCountsView = z.infer<typeof TaskCountsView>;

export const claimOutcomes = ['completed', 'failed', 'cancelled', 'lost', 'released'] as const;

export const TaskClaimView = z
  .object({
    claim,
    executorId: id,
    executor: z.string(),
    runId: id.nullable(),
    claimedAt: when,
    endedAt: when.nullable(),
    outcome: z
      .enum(claimOutcomes)
      .nullable()
      .describe('lost: its executor fell silent. released: given back. Neither is a failed attempt.'),
    reason: z.string().nullable(),
    late: z.string().nullable().describe('What came for it after its end and was refused.'),
  })
  .meta({ id: 'TaskClaimView' });
export type TaskClaimView = z.infer<typeof TaskClaimView>;

export const TaskWithClaimsView = TaskView.extend({
  claims: z.array(TaskClaimView).describe('Every time that somebody had it, with the run, oldest first.'),
}).meta({ id: 'TaskWithClaimsView' });
export type TaskWithClaimsView = z.infer<typeof TaskWithClaimsView>;

export const TaskListView = z
  .object({ items: z.array(TaskView), nextCursor: z.string().nullable() })
  .meta({ id: 'TaskListView' });
export type TaskListView = z.infer<typeof TaskListView>;

export const TaskListQuery = page.extend({
  status: TaskStatus.optional(),
  priority: Priority.optional(),
  label: label.optional(),
  project: projectPath.optional().describe('The directory that its runs work in.'),
  executorId: id.optional().describe('Who has it.'),
});

export const ClaimTaskBody = z.strictObject({ executorId: id }).meta({ id: 'ClaimTaskBody' });
export type ClaimTaskBody = z.infer<typeof ClaimTaskBody>;

const note = text.max(4000);

export const ProgressTaskBody = z
  .strictObject({ claim, progress: z.int().min(0).max(100), note: note.optional() })
  .meta({ id: 'ProgressTaskBody' });
export type ProgressTaskBody = z.infer<typeof ProgressTaskBody>;

export const CompleteTaskBody = z
  .strictObject({ claim, note: note.optional() })
  .meta({ id: 'CompleteTaskBody' });
export type CompleteTaskBody = z.infer<typeof CompleteTaskBody>;

export const FailTaskBody = z.strictObject({ claim, reason: note }).meta({ id: 'FailTaskBody' });
export type FailTaskBody = z.infer<typeof FailTaskBody>;
