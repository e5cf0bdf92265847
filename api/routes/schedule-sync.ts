// Schedules out of a manifest.
import { SyncSchedulesBody, SyncSchedulesView } from '../../workflows/contracts/schedule.ts';
import type { Routes } from '../parts.ts';
import { syncSchedules } from '../verbs/sync-schedules.ts';
import { problems, refusals } from './problems.ts';

export const scheduleSyncRoutes: Routes = (api, parts) => {
  api.post(
    '/schedules/sync',
    {
      config: {
        example: {
          body: {},
          answer: { added: ['nightly-tests'], changed: [], removed: ['old-report'], unchanged: 3 },
        },
      },
      schema: {
        tags: ['schedules'],
        operationId: 'syncSchedules',
        summary:
          'Make schedules what a manifest says: `schedules`, a list of bodies of POST /schedules, as YAML',
        description:
          'All of it holds or nothing is changed, and what is wrong is told with its line. What the manifest does not name any more goes, what it says as before keeps its next time, and schedules made otherwise are left alone.',
        body: SyncSchedulesBody,
        response: { 200: SyncSchedulesView, ...problems, ...refusals('NotRunnable') },
      },
    },
    (request, reply) => parts.mutate(request, reply, syncSchedules, { manifest: request.body?.manifest }),
  );
};
