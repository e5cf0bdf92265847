// What a schedule would do, before it is saved.
import { latestCosts } from '../../activities/store/schedules/occurrences.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { PreviewScheduleBody, SchedulePreviewView } from '../../workflows/contracts/schedule.ts';
import { dueTimes, type Timing, timingProblem } from '../../workflows/schedule/due-times.ts';
import { inWords, localTime } from '../../workflows/schedule/in-words.ts';
import type { Routes } from '../parts.ts';
import { problems } from './problems.ts';

// As many as a person checks at a glance.
const shown = 10;
// So many runs smooth out one that went wrong, and are still of these days.
const forecastRuns = 10;
const forecastMs = 30 * 86_400_000;
// Few enough to be counted while others wait; more are told from how dense these are.
const mostCounted = 500;

export const schedulePreviewRoutes: Routes = (api, { db }) => {
  async function forecastOf(tenantId: string, scheduleId: string, timing: Timing, now: Date) {
    const costs = await latestCosts(db, tenantId, scheduleId, forecastRuns);
    if (costs.length === 0) return null;
    const costMicros = Math.round(costs.reduce((sum, cost) => sum + cost, 0) / costs.length);
    return {
      runs: costs.length,
      costMicros,
      costMicrosPer30Days: costMicros * countDue(timing, now),
    };
  }

  api.post(
    '/schedules/preview',
    {
      config: {
        example: {
          body: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
          answer: {
            when: 'At 02:30 (Europe/Berlin)',
            next: [{ dueAt: '2026-01-06T01:30:00.000Z', local: 'Tue 2026-01-06 02:30' }],
            forecast: { runs: 10, costMicros: 41_200, costMicrosPer30Days: 1_236_000 },
          },
        },
      },
      schema: {
        tags: ['schedules'],
        operationId: 'previewSchedule',
        summary: 'The next ten due times, in words and in its time zone, and what they may cost',
        description:
          'Nothing is kept. With `scheduleId` there is a forecast from the latest runs of that schedule.',
        body: PreviewScheduleBody,
        response: { 200: SchedulePreviewView, ...problems },
      },
    },
    async ({ body: { scheduleId, ...asked }, caller: { tenantId } }): Promise<SchedulePreviewView> => {
      const { cron = null, everySeconds = null, timeZone = 'UTC' } = asked;
      const timing: Timing = { cron, everySeconds, timeZone };
      const now = new Date();
      const wrong = timingProblem(timing, now);
      if (wrong) throw new Failure('InvalidInput', wrong.problem, { fields: [wrong] });
      const far = new Date(8_000_000_000_000);
      return {
        when: inWords(timing),
        next: dueTimes(timing, now, far, shown).map((at) => ({
          dueAt: at.toISOString(),
          local: localTime(at, timeZone),
        })),
        forecast: scheduleId === undefined ? null : await forecastOf(tenantId, scheduleId, timing, now),
      };
    },
  );
};

function countDue(timing: Timing, now: Date): number {
  const due = dueTimes(timing, now, new Date(now.getTime() + forecastMs), mostCounted);
  const last = due.at(-1);
  if (last === undefined || due.length < mostCounted) return due.length;
  return Math.round((due.length * forecastMs) / (last.getTime() - now.getTime()));
}
