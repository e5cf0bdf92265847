// The limits that the kernel holds, looked at by themselves: nothing here watches what is started.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { constants as system } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { createCgroups } from '../../../../activities/sandbox/bubblewrap/cgroup.ts';

const lacking = await createCgroups(true).lacks();
/** Whether the machine lets none be made; the older kind shows its counter as a folder, and what it counts as a file in it. */
const isImpossible = (held: (typeof lacking)[number], shown: string): boolean => {
  try {
    accessSync(`/sys/fs/cgroup/${shown}`, constants.W_OK);
    return false;
  } catch {
    return lacking.includes(held);
  }
};
const processTest = test.skipIf(isImpossible('processes', 'pids'));
const limits = { memoryBytes: 2 ** 27, processes: 10 };
// Behind the shell's own arguments and its name.
const foldersOf = (enter: string[]): string[] => enter.slice(4, -1);

processTest(
  'the kernel starts no more than the limit for what root runs, and nothing is left of its cgroup',
  async () => {
    const { enter, remove } = await createCgroups().make(limits);
    const forks = `trap 'kill $started' EXIT; for i in $(seq 40); do sleep 600 & started="$started $!"; done`;
    const [program, ...given] = [...enter, '/bin/sh', '-c', forks];
    await expect(promisify(execFile)(program, given)).rejects.toThrow(/cannot fork/i);
    const folders = foldersOf(enter);
    expect(folders.map(existsSync)).toEqual(folders.map(() => true));
    await remove();
    expect(folders.map(existsSync)).toEqual(folders.map(() => false));
  },
);

processTest(
  'what a killed worker has left is removed by the next one, and nothing of the living',
  async () => {
    const mine = await createCgroups().make(limits);
    onTestFinished(mine.remove);
    const script =
      "const { createCgroups } = await import('./activities/sandbox/bubblewrap/cgroup.ts');" +
      `console.log((await createCgroups().make(${JSON.stringify(limits)})).enter.at(-2)); setInterval(() => {}, 1000);`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void worker.kill('SIGKILL'));
    const [bytes] = (await once(worker.stdout, 'data')) as [Buffer];
    const theirs = bytes.toString().trim();
    const [name, ...parents] = [path.basename(theirs), path.dirname(theirs)];
    await createCgroups().removeLeft();
    expect(readdirSync(parents[0] ?? '')).toContain(name);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await createCgroups().removeLeft();
    const left = readdirSync(parents[0] ?? '');
    expect([left.includes(name), left.includes(path.basename(foldersOf(mine.enter).at(-1) ?? ''))]).toEqual([
      false,
      true,
    ]);
  },
);

test.skipIf(isImpossible('memory', 'memory/memory.memsw.limit_in_bytes'))(
  'what takes more memory than the limit is killed, and nothing outside of its cgroup',
  async () => {
    // Where the machine itself ran out, this one would go first.
    const first = spawn('/bin/sh', ['-c', 'echo 1000 >/proc/self/oom_score_adj; exec sleep 600']);
    const ended = once(first, 'exit');
    onTestFinished(async () => {
      first.kill();
      await ended;
    });
    const { enter, wasShort, remove } = await createCgroups().make(limits);
    const [program, ...given] = [...enter, '/bin/sh', '-c', 'head -c 1G /dev/zero | tail -n 1; echo $?'];
    const before = wasShort();
    const { stdout } = await promisify(execFile)(program, given);
    const after = wasShort();
    await remove();
    expect({ before, stdout, after, first: [first.exitCode, first.signalCode] }).toEqual({
      before: false,
      stdout: `${128 + system.signals.SIGKILL}\n`,
      after: true,
      first: [null, null],
    });
  },
);

test('processes of another user are held without a cgroup', async () => {
  expect(await createCgroups(false).lacks()).not.toContain('processes');
});
