// Schedules: made, changed, switched on and off, deleted. Each is refused as its run would be, so that what is wrong with
// it is told now and not at night.
import { checkStart } from '../../activities/store/lifecycle/start-run.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { type ScheduleRow, toScheduleView } from '../../activities/store/schedules/schedule-row.ts';
import * as store from '../../activities/store/schedules/schedules.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import {
  type ScheduleBody,
  type ScheduleDefinition,
  type ScheduleView,
  toDefinition,
  type UpdateScheduleBody,
} from '../../workflows/contracts/schedule.ts';
import { timingProblem } from '../../workflows/schedule/due-times.ts';
import { actorOf, type Caller, type Outcome, type Verb, type VerbParts } from './verb.ts';

export const createSchedule: Verb<ScheduleBody, ScheduleView> = async (parts, write, caller, body) => {
  const definition = await checked(parts, write, caller, body);
  return told(parts, await store.insertSchedule(write, definition, actorOf(caller)));
};

export const updateSchedule: Verb<UpdateScheduleBody & { scheduleId: string }, ScheduleView> = async (
  parts,
  write,
  caller,
  { scheduleId, version, ...body },
) => {
  const definition = await checked(parts, write, caller, body);
  const schedule = await store.lockForChange(write, caller.tenantId, scheduleId, version);
  refuseOfManifest(schedule);
  const change = { definition, enabled: definition.enabled };
  return told(parts, await store.changeSchedule(write, schedule, change, actorOf(caller)));
};

/** One that a manifest defines too: it stays so until the manifest says something else of it. */
export const switchSchedule: Verb<{ scheduleId: string; enabled: boolean }, ScheduleView> = async (
  parts,
  write,
  caller,
  { scheduleId, enabled },
) => {
  const schedule = await store.lockForChange(write, caller.tenantId, scheduleId);
  if (schedule.enabled === enabled) return { body: toScheduleView(schedule) };
  const { from_manifest: fromManifest, definition } = schedule;
  // A manifest is compared with what it said itself.
  const change = { enabled, ...(!fromManifest && { definition: { ...definition, enabled } }) };
  return told(parts, await store.changeSchedule(write, schedule, change, actorOf(caller)));
};

export const deleteSchedule: Verb<{ scheduleId: string; version?: number }, undefined> = async (
  parts,
  write,
  caller,
  { scheduleId, version },
) => {
  const schedule = await store.lockForChange(write, caller.tenantId, scheduleId, version);
  refuseOfManifest(schedule);
  const deleted = await store.deleteSchedule(write, schedule, actorOf(caller));
  return { body: undefined, after: () => parts.timers.tell(deleted) };
};

function told(parts: VerbParts, row: ScheduleRow): Outcome<ScheduleView> {
  return { body: toScheduleView(row), after: () => parts.timers.tell(row) };
}

function refuseOfManifest({ name, from_manifest: fromManifest }: ScheduleRow): void {
  if (!fromManifest) return;
  const detail = `A manifest defines the schedule ${name}: change it there and sync, or switch it off with /disable.`;
  throw new Failure('ScheduleFromManifest', detail);
}

async function checked(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  body: ScheduleBody,
): Promise<ScheduleDefinition> {
  const wrong = timingProblem(toDefinition(body), new Date());
  if (!wrong) return checkedStart(parts, write, caller, body);
  const fields = [{ path: wrong.path, problem: wrong.problem }];
  throw new Failure('InvalidInput', wrong.problem, { fields });
}

/** The whole of one whose timing has no problem, as it is kept; refused with a sentence that names the field. */
export async function checkedStart(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  body: ScheduleBody,
): Promise<ScheduleDefinition> {
  const definition = toDefinition(body);
  const { run, job } = definition;
  if ((run === null) === (job === null)) {
    const problem = 'Say either run or job, and not both.';
    throw new Failure('InvalidInput', problem, { fields: [{ path: 'run', problem }] });
  }
  if (run === null) return definition;
  await checkStart(write, parts, actorOf(caller), run);
  // On entry, as the prompt of any run.
  return { ...definition, run: { ...run, prompt: parts.redact(run.prompt) } };
}
