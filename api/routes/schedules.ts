// Schedules: what is started when, and the ledger of what became of each due time.
import { z } from 'zod';
import { listOccurrences, toOccurrenceView } from '../../activities/store/schedules/occurrences.ts';
import { toScheduleView } from '../../activities/store/schedules/schedule-row.ts';
import { findSchedule, listSchedules } from '../../activities/store/schedules/schedules.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import {
  OccurrenceListQuery,
  OccurrenceListView,
  ScheduleBody,
  ScheduleListView,
  scheduleName,
  ScheduleView,
  TriggerScheduleBody,
  TriggerScheduleView,
  UpdateScheduleBody,
} from '../../workflows/contracts/schedule.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { present } from '../present.ts';
import { createSchedule, deleteSchedule, switchSchedule, updateSchedule } from '../verbs/change-schedule.ts';
import { triggerSchedule } from '../verbs/trigger-schedule.ts';
import { at, pageExample, runId } from './examples.ts';
import { byId, latestDueFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
const NoBody = z.strictObject({}).nullish();

const body = {
  name: 'nightly-tests',
  cron: '30 2 * * 1-5',
  timeZone: 'Europe/Berlin',
  run: { prompt: 'Run the tests and mend what fails.', project: { path: '/home/me/shop' } },
};

const example = {
  id: '0193d5a6-1b7a-7f30-9c51-2f6f0d3a9b77',
  ...body,
  job: null,
  everySeconds: null,
  jitterSeconds: 0,
  overlap: 'skip',
  catchUpSeconds: 86_400,
  attempts: 1,
  enabled: true,
  when: 'At 02:30, Monday through Friday (Europe/Berlin)',
  fromManifest: false,
  version: 1,
  nextDueAt: '2026-01-06T01:30:00.000Z',
  createdAt: at,
  createdBy: 'first (cli)',
  updatedAt: at,
};

const occurrence = {
  id: `${example.id}-2026-01-05T01:30:00Z`,
  dueAt: '2026-01-05T01:30:00.000Z',
  byHand: false,
  outcome: 'ran',
  reason: null,
  attempts: 1,
  runId,
  startedAt: '2026-01-05T01:30:00.412Z',
  endedAt: at,
};

export const scheduleRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  changeRoutes(api, parts);
  switchRoutes(api, parts);
};

const lookRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/schedules',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['schedules'],
        operationId: 'listSchedules',
        summary: 'Schedules, oldest first',
        description: 'With `name`: the one that is called so.',
        querystring: page.extend({ name: scheduleName.optional() }),
        response: { 200: ScheduleListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, byId, (asked) => listSchedules(db, { tenantId, ...asked }), toScheduleView),
  );

  api.get(
    '/schedules/:id',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['schedules'],
        operationId: 'getSchedule',
        summary: 'One schedule, with when it is due next',
        description: 'Its version is also in the header ETag.',
        params,
        response: { 200: ScheduleView, ...problems },
      },
    },
    async ({ params: { id: scheduleId }, caller: { tenantId } }, reply) => {
      const view = toScheduleView(
        found(await findSchedule(db, tenantId, scheduleId), `schedule ${scheduleId}`),
      );
      reply.header('etag', `"${view.version}"`);
      return view;
    },
  );

  api.get(
    '/schedules/:id/occurrences',
    {
      config: { example: { answer: pageExample(occurrence) } },
      schema: {
        tags: ['schedules'],
        operationId: 'listOccurrences',
        summary: 'The ledger: every due time once, latest first, with what became of it',
        description:
          'What was started by hand is there too. The ledger of a deleted schedule can still be read.',
        params,
        querystring: OccurrenceListQuery,
        response: { 200: OccurrenceListView, ...problems },
      },
    },
    async ({ query, params: { id: scheduleId }, caller: { tenantId } }) =>
      pageOf(
        query,
        latestDueFirst,
        (asked) => listOccurrences(db, { tenantId, scheduleId, ...asked }),
        toOccurrenceView,
      ),
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.post(
    '/schedules',
    {
      config: { example: { body, answer: example } },
      schema: {
        tags: ['schedules'],
        operationId: 'createSchedule',
        summary: 'Have a run started again and again, by a cron expression or at an interval',
        description:
          'Refused where its run would be: for a project, a model or a policy there is not. POST /schedules/preview shows due times first.',
        body: ScheduleBody,
        response: {
          201: ScheduleView,
          ...problems,
          ...refusals('ScheduleExists', 'UnknownModel', 'UnknownPolicy'),
        },
      },
    },
    (request, reply) => parts.mutate(request, reply, createSchedule, request.body),
  );

  api.put(
    '/schedules/:id',
    {
      preValidation: takeIfMatch,
      config: { example: { body: { version: 1, ...body }, answer: { ...example, version: 2 } } },
      schema: {
        tags: ['schedules'],
        operationId: 'updateSchedule',
        summary: 'Change a schedule; what it has started goes on as it is',
        description:
          'The body is the whole of it. `version`, or the header If-Match, is the version that you have seen: 409 when there is a newer one.',
        params,
        body: UpdateScheduleBody,
        response: {
          200: ScheduleView,
          ...problems,
          ...refusals(
            'ScheduleExists',
            'ScheduleFromManifest',
            'VersionStale',
            'UnknownModel',
            'UnknownPolicy',
          ),
        },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, updateSchedule, { ...request.body, scheduleId: request.params.id }),
  );

  api.delete(
    '/schedules/:id',
    {
      schema: {
        tags: ['schedules'],
        operationId: 'deleteSchedule',
        summary: 'Take a schedule away; what it has started goes on, and its ledger stays',
        description: '`version` says which one you have seen: 409 when there is a newer one.',
        params,
        querystring: z.strictObject({
          version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
        }),
        response: { 204: z.null(), ...problems, ...refusals('ScheduleFromManifest', 'VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deleteSchedule, {
        scheduleId: request.params.id,
        ...present({ version: request.query.version }),
      }),
  );
};

const switchRoutes: Routes = (api, parts) => {
  api.post(
    '/schedules/:id/trigger',
    {
      config: {
        example: {
          body: {},
          answer: {
            occurrenceId: `${example.id}-0193d5a6-1b7a-7f30-9c51-2f6f0d3a9b78`,
            outcome: 'waiting',
            reason: null,
            model: 'scripted/demo',
            policy: 'headless-safe-sandbox',
            project: { path: '/home/me/shop' },
            overlapping: false,
          },
        },
      },
      schema: {
        tags: ['schedules'],
        operationId: 'triggerSchedule',
        summary: 'Start its run now, beside its due times; or with dryRun only say what would start',
        description: 'The overlap rule holds for it too. Refused while the schedule is switched off.',
        params,
        body: TriggerScheduleBody,
        response: { 202: TriggerScheduleView, ...problems, ...refusals('NotRunnable') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, triggerSchedule, {
        scheduleId: request.params.id,
        dryRun: request.body?.dryRun ?? false,
      }),
  );

  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    api.post(
      `/schedules/:id/${name}`,
      {
        config: { example: { body: {}, answer: { ...example, enabled } } },
        schema: {
          tags: ['schedules'],
          operationId: `${name}Schedule`,
          summary: enabled
            ? 'Switch a schedule on: due from now on'
            : 'Switch a schedule off: nothing is due',
          description: enabled
            ? 'What would have been due while it was off is not made up for.'
            : 'What it has started goes on. One that a manifest defines stays off until the manifest says something else of it.',
          params,
          body: NoBody,
          response: { 200: ScheduleView, ...problems },
        },
      },
      (request, reply) =>
        parts.mutate(request, reply, switchSchedule, { scheduleId: request.params.id, enabled }),
    );
  }
};
