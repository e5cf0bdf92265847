// What a dead worker's commands leave running. A worker that starts ends such processes on its whole machine,
// whoever left them; so nothing runs beside this file, and only its own worker can have done it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { aProgram, openTheatre } from '../support/faults.ts';
import { until } from '../support/platform.ts';
import { openRoles } from '../support/roles.ts';

// Three processes and a run, on a busy machine; this only ends a hang.
const longestMs = 90_000;

const theatre = await openTheatre();
const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: theatre.model.url });

beforeAll(async () => {
  await roles.startApi();
});

test('whatever a dead worker left running is dead before its call is called unknown, a detached grandchild too', async ({
  onTestFinished,
}) => {
  const first = await roles.startWorker();
  onTestFinished(() => first.kill());
  const program = aProgram([{ calls: [] }]);
  // Two writers: one in the command's own group, one that has left its group, its set and its parent.
  const write = (file: string): string => `while :; do date +%s%N >> ${file}; sleep 0.05; done`;
  const command = `(${write('near.txt')}) & setsid -f bash -c '${write('far.txt')}'; echo begun; sleep 60`;
  program.messages[0]?.steps[0]?.calls.push({ kind: 'command', command });
  const playing = theatre.play(roles, [program]);
  await theatre.callRuns(roles, program);
  const folder = path.join(roles.data, 'projects', `program-${program.id}`);
  // The command speaks before either of them has begun its file.
  const linesOf = async (file: string): Promise<string[]> =>
    (await readFile(path.join(folder, file), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const both = () => Promise.all(['near.txt', 'far.txt'].map(linesOf));
  const lines = async (): Promise<string[]> => (await both()).flat();
  const bothWrite = async (problem: string): Promise<void> => {
    const before = await both();
    await until(
      async () => (await both()).every(({ length }, index) => length > (before[index]?.length ?? 0)),
      longestMs,
      () => problem,
    );
  };
  await bothWrite('Nothing is written.');
  first.kill();
  await first.gone;
  await bothWrite('They do not write while nobody looks after them.');
  const second = await roles.startWorker();
  onTestFinished(async () => {
    second.kill();
    await second.gone;
  });
  const { run, calls } = await theatre.expectOneRight(roles, playing);
  const endedAt = calls[0]?.ended_at?.getTime() ?? 0;
  const last = Math.max(...(await lines()).map((line) => Number(line) / 1e6));
  expect([run.status, calls.map(({ status }) => status), last < endedAt]).toEqual([
    'succeeded',
    ['unknown'],
    true,
  ]);
  const atTheEnd = (await lines()).length;
  await sleep(500);
  expect((await lines()).length).toBe(atTheEnd);
});
