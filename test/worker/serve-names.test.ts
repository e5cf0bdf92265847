// One data folder by several names: never two supervisors, nor two servers on the same files.
import { mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openersOf } from '../../activities/host/open-files.ts';
import { findProcesses, parentOf, runningProcess, runningProcesses } from '../../worker/process-table.ts';
import { awkwardName } from '../support/awkward-names.ts';
import {
  cleanUpServe,
  folder,
  pidOf,
  prepareServeIn,
  runToItsEnd,
  start,
  startWhole,
  stop,
} from './served.ts';

beforeEach(() => prepareServeIn(awkwardName));
afterEach(cleanUpServe);

/** Another name of the folder, behind a link to its parent. */
function otherName(): string {
  const outer = path.dirname(folder);
  const place = path.join(outer, 'links');
  mkdirSync(place);
  symlinkSync(outer, path.join(place, '#?%20'));
  return `${place}/#?%20/./${path.basename(folder)}/`;
}

const servers = () => ({ postgres: pidOf('postgres'), temporal: pidOf('temporal') });

/** What has the servers' files open, without the children of Postgres. */
function serversRunning(): number[] {
  const files = ['postgres/server.lock', 'temporal/server.lock', 'temporal/temporal.db'];
  const open = runningProcesses(openersOf(files.map((file) => path.join(folder, file))));
  const found = open.filter(({ command }) => / -D | server start-dev /.test(command)).map(({ pid }) => pid);
  // One that was just made for a connection still goes by its parent's command line.
  return found.filter((pid) => !found.includes(parentOf(pid)?.pid ?? 0));
}

describe('a data folder with an awkward name that is reached by another', () => {
  test('is refused while it is held, and after a kill -9 its servers are taken over as they are', {
    tags: ['faults'],
  }, async () => {
    const other = otherName();
    const first = await startWhole();
    const before = servers();
    const second = start({ PERDURE_DATA: other });
    expect(await second.ended).toBe(1);
    expect(second.out()).toBe(
      `perdure: ${folder} is held by the Perdure with pid ${first.child.pid}: stop that one, or set PERDURE_DATA to another folder.\n`,
    );
    const roles = [pidOf('api'), pidOf('worker')];
    first.child.kill('SIGKILL');
    await first.ended;
    const third = await startWhole({ PERDURE_DATA: other });
    expect(servers()).toEqual(before);
    expect(serversRunning().sort()).toEqual(Object.values(before).sort());
    expect(roles.map(runningProcess)).toEqual([undefined, undefined]);
    await runToItsEnd();
    await stop(third);
    // Nothing was put beside the folder, and nothing of it runs.
    expect(readdirSync(path.dirname(folder)).sort()).toEqual([awkwardName, 'links'].sort());
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('has one Postgres and one Temporal whenever its supervisor is killed', {
    tags: ['faults'],
  }, async () => {
    const names = [folder, otherName()];
    // From before the lock to after the API.
    for (const afterMs of [300, 700, 1_000, 1_400, 1_900, 2_500, 3_500]) {
      const started = start({ PERDURE_DATA: names[0] });
      await sleep(afterMs);
      started.child.kill('SIGKILL');
      await started.ended;
      names.reverse();
    }
    const last = await startWhole({ PERDURE_DATA: names[0] });
    expect(serversRunning().sort()).toEqual(Object.values(servers()).sort());
    await stop(last);
    expect(serversRunning()).toEqual([]);
  });

  test('goes on where it was moved to while nothing ran', { tags: ['faults'] }, async () => {
    await stop(await startWhole());
    const moved = path.join(path.dirname(folder), 'moved #1');
    renameSync(folder, moved);
    symlinkSync(moved, folder);
    const started = await startWhole();
    await runToItsEnd();
    await stop(started);
  });
});
