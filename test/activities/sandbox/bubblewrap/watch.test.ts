// The watch over what a command uses, by itself: no cgroup holds anything here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Limits, watch } from '../../../../activities/sandbox/bubblewrap/watch.ts';
import { groupIsAlive, groupOf, killGroup } from '../../../../activities/sandbox/group/process-group.ts';

/** A command in a namespace of its own, with what the watch has told of it. */
async function watched(limits: Limits, given: string[]) {
  const namespaces = ['--user', '--map-root-user', '--pid', '--fork'];
  const child = spawn('unshare', [...namespaces, ...given], { detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const group = groupOf(pid, 'none');
  const exited = once(child, 'exit');
  const told: string[] = [];
  const watching = watch(group, limits, (why) => told.push(why));
  onTestFinished(async () => {
    watching.stop();
    await killGroup(group);
    await exited;
  });
  return { pid, group, told };
}

// A sandbox that stands where bubblewrap is for a moment: its namespace is made, and it still sees the machine's table.
test('processes of the machine are not counted as those of a command whose sandbox is being made', async () => {
  const { pid, told } = await watched({ memoryBytes: 2 ** 20, processes: 1 }, ['sleep', '600']);
  await expect.poll(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')).not.toBe('');
  // It looks every 50 milliseconds, and at memory at each fifth look.
  await sleep(1000);
  expect(told).toEqual([]);
});

test.for([
  {
    what: 'memory',
    command: `exec perl -e '$held = "a" x 3e8; sleep 600'`,
    why: 'it was ended at its limit of 64 MB of memory: do less at once',
  },
  {
    what: 'processes',
    command: 'for i in 1 2 3 4 5 6 7 8 9; do env -i setsid sleep 600 & done; sleep 600',
    why: 'it was ended at its limit of 8 processes: start fewer at once',
  },
])('a command that uses more $what than it may is ended and told why', async ({ command, why }) => {
  const limits = { memoryBytes: 2 ** 26, processes: 8 };
  const { group, told } = await watched(limits, ['--mount-proc', '/bin/sh', '-c', command]);
  await expect.poll(() => told.length > 0 && !groupIsAlive(group)).toBe(true);
  expect(told).toEqual([why]);
});
