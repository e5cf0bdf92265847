// A conversation: a chain of runs that share their context.
import { z } from 'zod';
import { ContainerRef } from './container.ts';
import { presetId, workspaceId } from './configuration.ts';
import { WakeUp } from './delegation.ts';
import { flag, id, nameText, page, text, when } from './fields.ts';
import { listedCharacters } from './message-view.ts';
import {
  AskedMode,
  Metadata,
  modelName,
  policyName,
  ProjectRef,
  RunLimits,
  RunStatus,
  RunView,
  SendMessageBody,
  WhenBusy,
} from './run.ts';

// A subagent takes no longer than a run may.
const mostWakeUpSeconds = 31_536_000;

/** What a conversation says of its next runs, before the run that came last does. */
export const ConversationSettings = z
  .strictObject({
    preset: presetId.nullish().describe('null: none, whatever the run before had.'),
    project: ProjectRef.nullish().describe('null: a scratch folder.'),
    workspace: workspaceId.optional().describe('Not with `project`.'),
    model: modelName.optional(),
    policy: policyName.optional(),
    execMode: AskedMode.optional(),
    container: ContainerRef.optional(),
    limits: RunLimits.optional(),
  })
  .meta({ id: 'ConversationSettings' });
export type ConversationSettings = z.infer<typeof ConversationSettings>;

export const ConversationView = z
  .object({
    id,
    title: z
      .string()
      .describe('The beginning of its first message, until its model has made one or it was given another.'),
    metadata: Metadata,
    settings: ConversationSettings,
    activeRunId: id.nullable(),
    parkedRuns: z.int().describe('Messages that wait for their turn.'),
    pendingMailbox: z
      .int()
      .describe('Reports of subagents that no run was told: GET /conversations/{id}/mailbox.'),
    wakeUp: WakeUp.nullable().describe('null: a main run stays until its subagents have reported.'),
    wakeUpSeconds: z.int().nullable().describe('null: an hour.'),
    wakeAt: when.nullable().describe('When it goes on without the subagents that it waits for.'),
    archivedAt: when.nullable(),
    createdAt: when,
    lastActivityAt: when,
  })
  .meta({ id: 'ConversationView' });
export type ConversationView = z.infer<typeof ConversationView>;

export const ConversationListQuery = page.extend({
  archived: flag.optional().describe('true: only archived ones. Left out or false: only those that are not.'),
  metadata: z
    .string()
    .min(2)
    .max(20_000)
    .optional()
    .describe('A JSON object of texts, such as {"ticket":"12"}: only those whose metadata has all of it.'),
});

export const ConversationListView = z
  .object({ items: z.array(ConversationView), nextCursor: z.string().nullable() })
  .meta({ id: 'ConversationListView' });
export type ConversationListView = z.infer<typeof ConversationListView>;

/** One end of a fork: a conversation and a run in it. */
export const ForkView = z.object({ conversationId: id, runId: id }).meta({ id: 'ForkView' });
export type ForkView = z.infer<typeof ForkView>;

export const ConversationDetailView = ConversationView.extend({
  headRunId: id
    .nullable()
    .describe(
      'The run that the next message goes on from: the last that ended with something to go on from, unless a message ' +
        'went on from an earlier one. A fork begins with a run of another conversation. null: none yet.',
    ),
  forkedFrom: ForkView.nullable().describe('The conversation and the run in it that this one goes on from.'),
  latestRun: RunView.nullable().describe('The one that was accepted last, whatever became of it.'),
  activeRun: RunView.nullable(),
  runs: z.array(RunView).describe('The latest 50, newest first.'),
  lastEvent: z
    .int()
    .describe('The number of its last event: `after` it, its stream begins with what is new.'),
}).meta({ id: 'ConversationDetailView' });
export type ConversationDetailView = z.infer<typeof ConversationDetailView>;

/** What is left out stays as it is. */
export const ChangeConversationBody = z
  .strictObject({
    title: nameText(200).optional(),
    metadata: z
      .record(z.string().min(1).max(64), z.string().max(512).nullable())
      .nullable()
      .optional()
      .describe('Joins what there is; null as a value takes the key away. null in its place takes all away.'),
    archived: z
      .boolean()
      .optional()
      .describe('An archived conversation is left out of lists; the next message brings it back.'),
    wakeUp: WakeUp.nullable()
      .optional()
      .describe(
        'manual and auto as in POST /runs. null: a main run stays until its subagents have reported.',
      ),
    wakeUpSeconds: z
      .int()
      .min(1)
      .max(mostWakeUpSeconds)
      .nullable()
      .optional()
      .describe(
        'With auto: how long after the end of the main run it waits for its subagents before it goes on with what has ' +
          'come. null: an hour.',
      ),
    settings: ConversationSettings.optional().describe(
      'In place of those there were. They come after what a request says and before what the run before had.',
    ),
  })
  .meta({ id: 'ChangeConversationBody' });
export type ChangeConversationBody = z.infer<typeof ChangeConversationBody>;

/** A side question. */
export const AskBody = z.strictObject({ prompt: text }).meta({ id: 'AskBody' });
export type AskBody = z.infer<typeof AskBody>;

// A run has few; each is a conversation or a run of its own to look at.
export const mostListedForks = 20;

/** A message of a person and what came of it. */
export const TurnView = z
  .object({
    runId: id,
    parentId: id
      .nullable()
      .describe('The run that it goes on from; of a fork’s first, one of another conversation.'),
    inContext: z
      .boolean()
      .describe(
        'The next message goes on from it or from what followed it. A parked or active one is not yet.',
      ),
    alternatives: z
      .array(id)
      .describe(
        `Other runs of the conversation that answer the same message, the oldest ${mostListedForks}.`,
      ),
    forks: z
      .array(ForkView)
      .describe(`Conversations that go on from here with their first runs, the oldest ${mostListedForks}.`),
    messageId: z.string(),
    status: RunStatus,
    parked: z.boolean(),
    prompt: z.string().describe(`The first ${listedCharacters} characters.`),
    answer: z
      .string()
      .nullable()
      .describe(`The first ${listedCharacters} characters of its final message; null until it has ended.`),
    createdAt: when,
    endedAt: when.nullable(),
  })
  .meta({ id: 'TurnView' });
export type TurnView = z.infer<typeof TurnView>;

export const TurnListView = z
  .object({ items: z.array(TurnView), nextCursor: z.string().nullable() })
  .meta({ id: 'TurnListView' });
export type TurnListView = z.infer<typeof TurnListView>;

/** A fork is a conversation of its own, so no run of it is active. */
export const ForkBody = SendMessageBody.omit({ whenBusy: true })
  .extend({
    fromRunId: SendMessageBody.shape.fromRunId.describe(
      'The run to go on from, of this conversation and with something to go on from; unsaid, the one that its next message ' +
        'would.',
    ),
  })
  .meta({ id: 'ForkBody' });
export type ForkBody = z.infer<typeof ForkBody>;

export const RegenerateBody = SendMessageBody.omit({ prompt: true, parts: true, fromRunId: true })
  .extend({
    runId: id
      .optional()
      .describe('A main run of this conversation that has begun; unsaid, the one whose turn came last.'),
    whenBusy: WhenBusy.exclude(['steer']).optional(),
  })
  .meta({ id: 'RegenerateBody' });
export type RegenerateBody = z.infer<typeof RegenerateBody>;
