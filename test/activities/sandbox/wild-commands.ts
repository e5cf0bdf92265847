// Commands that are out to outlive their sandbox or to use up the machine, for every kind that contains.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Sandbox } from '../../../activities/sandbox/sandbox.ts';
import { run } from './opened.ts';

export const wildCommands: Record<string, string> = {
  'a fork bomb': 'f() { f | f & }; f; sleep 600',
  'a fork bomb that ignores TERM and hides':
    'trap "" TERM; f() { env -i setsid sleep 600 & f & f & }; f; sleep 600',
  'all of the processor': 'for i in 1 2 3 4; do sha256sum /dev/zero & done; wait',
  'all of the memory': `python3 -c "
import os
while True:
    if os.fork() == 0:
        x = bytearray(1 << 28)
        while True: pass
"`,
  'a million files': 'mkdir files; cd files; i=0; while :; do i=$((i + 1)); : > $i; done',
  'endless sleep': 'sleep infinity',
  'a detached daemon': 'setsid sh -c "trap \\"\\" TERM HUP; sleep 600; sleep 600" & disown; sleep 600',
  'a daemon under a mark of its own':
    'PERDURE_GROUP=0123456789abcdef setsid sh -c "trap \\"\\" TERM; while :; do sleep 6; done" & sleep 600',
  'an ignored TERM': 'trap "" TERM INT HUP; while :; do sleep 600; done',
};

/**
 * Whether it is over in two seconds and what four commands take. They are those of another sandbox, run meanwhile: a
 * machine that is slow or stands still is so for both.
 */
export async function isInTime(ending: Promise<unknown>, beside: Sandbox): Promise<boolean> {
  const measure = async (): Promise<boolean> => {
    await sleep(2000);
    for (let each = 0; each < 4; each += 1) await run(beside, 'true', undefined, undefined, 'wild/1.6');
    return false;
  };
  const measured = measure();
  const isFirst = await Promise.race([ending.then(() => true), measured]);
  await measured;
  return isFirst;
}

/** A gigabyte of output arrives whole, and the worker keeps none of it. */
export async function passGigabyte(sandbox: Sandbox): Promise<void> {
  await run(sandbox, 'true');
  const before = process.memoryUsage().rss;
  let [bytes, most] = [0, 0];
  await sandbox.exec({
    command: 'head -c 1G /dev/zero',
    // Other tests end whatever carries the usual key.
    key: 'wild/1.3',
    signal: new AbortController().signal,
    onStart: async () => {},
    onOutput(_from, piece) {
      bytes += piece.length;
      most = Math.max(most, process.memoryUsage().rss);
    },
  });
  expect(bytes).toBe(2 ** 30);
  expect((most - before) / 2 ** 20).toBeLessThan(200);
}
