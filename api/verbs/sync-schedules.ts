// Making the schedules of the manifest what it says: whole definitions are compared, and either all of it holds or nothing
// is changed. Those that people made are left alone.
import { isDeepStrictEqual } from 'node:util';
import type { Write } from '../../activities/store/log/events.ts';
import type { ScheduleRow } from '../../activities/store/schedules/schedule-row.ts';
import * as store from '../../activities/store/schedules/schedules.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { ScheduleDefinition, SyncSchedulesView } from '../../workflows/contracts/schedule.ts';
import { readManifest } from '../schedule-manifest.ts';
import { checkedStart } from './change-schedule.ts';
import { actorOf, type Caller, type Verb, type VerbParts } from './verb.ts';

export const syncSchedules: Verb<{ manifest: string | undefined }, SyncSchedulesView> = async (
  parts,
  write,
  caller,
  { manifest },
) => {
  const definitions = await definitionsOf(parts, write, caller, await parts.readManifest(manifest));
  const author = actorOf(caller);
  const known = new Map((await store.lockAll(write, caller.tenantId)).map((row) => [row.name, row] as const));
  const told: ScheduleRow[] = [];
  const view: SyncSchedulesView = { added: [], changed: [], removed: [], unchanged: 0 };
  const wanted = new Set(definitions.map(({ definition: { name } }) => name));
  for (const row of known.values()) {
    if (!row.from_manifest || wanted.has(row.name)) continue;
    told.push(await store.deleteSchedule(write, row, author));
    view.removed.push(row.name);
  }
  for (const { definition, refuse } of definitions) {
    const { name, enabled } = definition;
    const row = known.get(name);
    if (row && !row.from_manifest)
      throw refuse(
        `There is a schedule called ${name} that no manifest made; use another name, or delete that.`,
      );
    if (!row) {
      told.push(await store.insertSchedule(write, definition, author, true));
      view.added.push(name);
    } else if (isDeepStrictEqual(row.definition, definition)) view.unchanged += 1;
    else {
      told.push(await store.changeSchedule(write, row, { definition, enabled }, author));
      view.changed.push(name);
    }
  }
  return {
    body: view,
    after() {
      for (const row of told) parts.timers.tell(row);
    },
  };
};

interface Wanted {
  definition: ScheduleDefinition;
  /** What is wrong with it, with its line. */
  refuse(problem: string): Failure;
}

async function definitionsOf(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  text: string,
): Promise<Wanted[]> {
  const read = readManifest(text);
  if (!('value' in read)) throw new Failure('InvalidInput', read.problem);
  const wanted: Wanted[] = [];
  for (const [index, body] of read.value.schedules.entries()) {
    const refuse = (problem: string, field: string): Failure =>
      new Failure('InvalidInput', read.refuse(['schedules', index, field], problem).problem);
    const definition = await checkedStart(parts, write, caller, body).catch((error: unknown) => {
      throw error instanceof Failure ? refuse(`${body.name}: ${error.message}`, 'run') : error;
    });
    wanted.push({ definition, refuse: (problem) => refuse(problem, 'name') });
  }
  return wanted;
}
