// What a schedule is on every wire: when it is due, what it starts, and its ledger of due times.
import { z } from 'zod';
import { id, page, shortText, when } from './fields.ts';
import { StartRunBody } from './run.ts';

const day = 86_400;
// Below five seconds a run has hardly begun when the next is due.
const shortestSeconds = 5;

export const scheduleName = z
  .string()
  .max(63)
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'must be small letters, digits and single hyphens, such as nightly-tests',
  );

/** What becomes of a due time while an earlier one is still at work. */
export const overlaps = ['skip', 'queue-one', 'cancel-old', 'allow'] as const;
export const Overlap = z.enum(overlaps).meta({ id: 'Overlap' });
export type Overlap = z.infer<typeof Overlap>;

/** Upkeep of the server that a schedule can do in place of a run. */
export const UpkeepJob = z.enum(['prune', 'backup', 'backup-check']).meta({ id: 'UpkeepJob' });
export type UpkeepJob = z.infer<typeof UpkeepJob>;

export const ScheduledRun = StartRunBody.omit({ messageId: true, fromRunId: true, parts: true }).meta({
  id: 'ScheduledRun',
});
export type ScheduledRun = z.infer<typeof ScheduledRun>;

const timing = {
  cron: shortText(200)
    .nullish()
    .describe('Five fields: minute, hour, day of month, month, day of week. This or everySeconds.'),
  everySeconds: z
    .int()
    .min(shortestSeconds)
    .max(366 * day)
    .nullish()
    .describe('Due at whole multiples of it since 1970, in UTC.'),
  timeZone: shortText(64)
    .optional()
    .describe(
      'In which the fields of cron are read, such as Europe/Berlin; UTC unless said. A time that a change of clocks leaves ' +
        'out is due at the end of the gap, one that it brings twice is due once; with * as the hour, each time that clocks show it.',
    ),
};

const scheduleFields = {
  name: scheduleName.describe('Its name; no two schedules have one name.'),
  ...timing,
  jitterSeconds: z
    .int()
    .min(0)
    .max(3600)
    .optional()
    .describe('It begins up to so much later, at random. Due times are told without it; 0 unless said.'),
  overlap: Overlap.optional().describe(
    'While an earlier one is at work: skip (the usual), queue-one waits for its end and takes in what comes due ' +
      'meanwhile, cancel-old cancels it and begins at its end, allow runs both.',
  ),
  catchUpSeconds: z
    .int()
    .min(0)
    .max(day)
    .optional()
    .describe(
      'After an outage the latest due time that was missed is made up for, if it is not older than this; a day unless said, 0 for never.',
    ),
  attempts: z
    .int()
    .min(1)
    .max(20)
    .optional()
    .describe(
      'How often a run that fails is tried, with pauses of 1, 2, 4 … minutes up to an hour; 1 unless said. After the last of several it is a dead letter.',
    ),
  enabled: z.boolean().optional().describe('false: it is kept and not due.'),
  run: ScheduledRun.nullish().describe(
    'What is started: the body of POST /runs without messageId. Its limits bound the time (seconds) and the money (costMicros) of each run.',
  ),
  job: UpkeepJob.nullish().describe(
    'In place of a run, upkeep of the server: prune removes what is past its time, backup makes a backup of the database in ' +
      'the data folder of the API and checks it, backup-check fails unless the newest is at most 48 hours old and can be restored.',
  ),
};

export const ScheduleBody = z.strictObject(scheduleFields).meta({ id: 'ScheduleBody' });
export type ScheduleBody = z.infer<typeof ScheduleBody>;

const version = z.int().min(1).max(2_147_483_647);

export const UpdateScheduleBody = z
  .strictObject({ ...scheduleFields, version: version.describe('The version that you have seen.') })
  .meta({ id: 'UpdateScheduleBody' });
export type UpdateScheduleBody = z.infer<typeof UpdateScheduleBody>;

/** A schedule with nothing left open: as it is kept, shown and compared. */
export const ScheduleDefinition = z.object({
  name: z.string(),
  cron: z.string().nullable(),
  everySeconds: z.int().nullable(),
  timeZone: z.string(),
  jitterSeconds: z.int(),
  overlap: Overlap,
  catchUpSeconds: z.int(),
  attempts: z.int(),
  enabled: z.boolean(),
  run: ScheduledRun.nullable(),
  job: UpkeepJob.nullable(),
});
export type ScheduleDefinition = z.infer<typeof ScheduleDefinition>;

export function toDefinition(body: ScheduleBody): ScheduleDefinition {
  return {
    name: body.name,
    cron: body.cron ?? null,
    everySeconds: body.everySeconds ?? null,
    timeZone: body.timeZone ?? 'UTC',
    jitterSeconds: body.jitterSeconds ?? 0,
    overlap: body.overlap ?? 'skip',
    catchUpSeconds: body.catchUpSeconds ?? day,
    attempts: body.attempts ?? 1,
    enabled: body.enabled ?? true,
    run: body.run ?? null,
    job: body.job ?? null,
  };
}

export const ScheduleView = ScheduleDefinition.extend({
  id,
  when: z.string().describe('When it is due, in words.'),
  fromManifest: z.boolean().describe('A manifest defines it: it is changed and deleted there.'),
  version,
  nextDueAt: when.nullable().describe('Null while it is off.'),
  createdAt: when,
  createdBy: z.string(),
  updatedAt: when,
}).meta({ id: 'ScheduleView' });
export type ScheduleView = z.infer<typeof ScheduleView>;

export const ScheduleListView = z
  .object({ items: z.array(ScheduleView), nextCursor: z.string().nullable() })
  .meta({ id: 'ScheduleListView' });
export type ScheduleListView = z.infer<typeof ScheduleListView>;

export const outcomes = [
  'waiting',
  'running',
  'ran',
  'late',
  'skipped',
  'merged',
  'refused',
  'failed',
  'dead',
] as const;
export const Outcome = z.enum(outcomes).meta({ id: 'OccurrenceOutcome' });
export type Outcome = z.infer<typeof Outcome>;

export const OccurrenceView = z
  .object({
    id: z.string(),
    dueAt: when.describe('By hand: when it was asked for.'),
    byHand: z.boolean(),
    outcome: Outcome.describe(
      'waiting: for an earlier one, or for its next attempt. ran: its run succeeded; late: the same, begun later than due. ' +
        'skipped, and merged with one that waits: no run. refused: for want of money. failed: its run did. dead: so did its last attempt.',
    ),
    reason: z.string().nullable(),
    attempts: z.int(),
    runId: id.nullable().describe('The run of its latest attempt.'),
    startedAt: when.nullable(),
    endedAt: when.nullable(),
  })
  .meta({ id: 'OccurrenceView' });
export type OccurrenceView = z.infer<typeof OccurrenceView>;

export const OccurrenceListView = z
  .object({ items: z.array(OccurrenceView), nextCursor: z.string().nullable() })
  .meta({ id: 'OccurrenceListView' });
export type OccurrenceListView = z.infer<typeof OccurrenceListView>;

export const OccurrenceListQuery = page.extend({ outcome: Outcome.optional() });

export const PreviewScheduleBody = z
  .strictObject({
    ...timing,
    scheduleId: id.optional().describe('Its latest runs tell what another may cost.'),
  })
  .meta({ id: 'PreviewScheduleBody' });
export type PreviewScheduleBody = z.infer<typeof PreviewScheduleBody>;

export const SchedulePreviewView = z
  .object({
    when: z.string().describe('When it is due, in words.'),
    next: z.array(z.object({ dueAt: when, local: z.string().describe('In its time zone.') })),
    forecast: z
      .object({
        runs: z.int().describe('How many of its latest runs this is made from.'),
        costMicros: z.int().describe('What one run cost on average, in micro-dollars.'),
        costMicrosPer30Days: z.int().describe('That, as often as it is due in 30 days from now.'),
      })
      .nullable()
      .describe('Null without a schedule that has run.'),
  })
  .meta({ id: 'SchedulePreviewView' });
export type SchedulePreviewView = z.infer<typeof SchedulePreviewView>;

export const TriggerScheduleBody = z
  .strictObject({
    dryRun: z
      .boolean()
      .optional()
      .describe('true: only say what would be started; refused as the run itself would be.'),
  })
  .nullish();
export type TriggerScheduleBody = z.infer<typeof TriggerScheduleBody>;

export const TriggerScheduleView = z
  .object({
    occurrenceId: z.string().nullable().describe('Null for a dry run.'),
    outcome: Outcome.nullable().describe(
      'waiting, skipped or merged by the overlap rule; null for a dry run.',
    ),
    reason: z.string().nullable().describe('Null where it begins at once.'),
    model: z.string().nullable().describe('Null for upkeep.'),
    policy: z.string().nullable(),
    project: z.object({ path: z.string() }).nullable(),
    overlapping: z
      .boolean()
      .describe('An earlier one is at work: the overlap rule decides what becomes of this.'),
  })
  .meta({ id: 'TriggerScheduleView' });
export type TriggerScheduleView = z.infer<typeof TriggerScheduleView>;

// More than a person oversees; each is looked at in one transaction.
const mostInManifest = 1000;

/** A manifest as it is written. */
export const SchedulesManifest = z.strictObject({ schedules: z.array(ScheduleBody).max(mostInManifest) });
export type SchedulesManifest = z.infer<typeof SchedulesManifest>;

export const SyncSchedulesBody = z
  .strictObject({
    manifest: z
      .string()
      .max(500_000)
      .optional()
      .describe('The YAML itself; without it the file that the server is set to is read again.'),
  })
  .nullish();
export type SyncSchedulesBody = z.infer<typeof SyncSchedulesBody>;

export const SyncSchedulesView = z
  .object({
    added: z.array(z.string()),
    changed: z.array(z.string()),
    removed: z.array(z.string()),
    unchanged: z.int(),
  })
  .meta({ id: 'SyncSchedulesView' });
export type SyncSchedulesView = z.infer<typeof SyncSchedulesView>;
