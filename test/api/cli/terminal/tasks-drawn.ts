// The events of tasks, each with what is drawn of it.
import type { EventPayload, EventType } from '../../../../workflows/contracts/event.ts';
import { rewinding } from './rewinding-drawn.ts';

type OfTasks = Extract<EventType, `task-${string}`>;

const id = '01900000-0000-7000-8000-000000000001';

const ofTasks: { [T in OfTasks]: [payload: EventPayload<T>, shown: string] } = {
  'task-start': [
    {
      title: 'Mend it',
      status: 'blocked',
      priority: 'high',
      labels: ['gpu'],
      dependsOn: [id],
      by: 'first (cli)',
    },
    `— task ${id.slice(-8)} · Mend it · blocked · high priority · for gpu · behind 1 task\n`,
  ],
  'task-change': [{ fields: ['title'], version: 2, by: 'first (cli)' }, '— changed by first (cli): title\n'],
  'task-ready': [{}, '— its turn has come: what it depends on is completed\n'],
  'task-wait': [{ reason: 'No executor is registered.' }, '— waits: No executor is registered.\n'],
  'task-claim': [
    { claim: 1, executorId: id, executor: 'box', runId: id },
    `— box has it as run ${id.slice(-8)}\n`,
  ],
  'task-progress': [{ claim: 1, progress: 40, note: 'half done' }, '— 40 %: half done\n'],
  'task-release': [
    { claim: 1, reason: 'Its executor box deregistered.' },
    '— waits again: Its executor box deregistered.\n',
  ],
  'task-error': [
    { attempt: 1, reason: 'it broke', againAt: '2026-01-05T09:30:05.000Z' },
    '! attempt 1 failed: it broke; again at 2026-01-05T09:30:05.000Z\n',
  ],
  'task-late': [{ claim: 1, what: 'its completion' }, '— refused what came too late: its completion\n'],
  'task-end': [
    { final: true, status: 'failed', reason: 'max retries exceeded' },
    'failed · max retries exceeded\n',
  ],
};

const occurrence = {
  scheduleId: id,
  schedule: 'nightly',
  occurrenceId: `${id}-2026-01-05T09:30:00Z`,
  dueAt: '2026-01-05T09:30:00.000Z',
};

const ofSchedules: {
  [T in Extract<EventType, `occurrence-${string}`>]: [payload: EventPayload<T>, shown: string];
} = {
  'occurrence-start': [
    { ...occurrence, runId: id, attempt: 1 },
    `— nightly · due 2026-01-05T09:30:00.000Z · run ${id.slice(-8)}\n`,
  ],
  'occurrence-end': [
    { ...occurrence, outcome: 'skipped', reason: 'Another had not ended.', runId: null, attempts: 0 },
    '— nightly · due 2026-01-05T09:30:00.000Z · skipped · Another had not ended.\n',
  ],
};

/** All whose drawings are in files of their own. */
export const others = { ...rewinding, ...ofTasks, ...ofSchedules };
