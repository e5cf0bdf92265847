import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createChores } from '../../../../worker/chores.ts';
import { watchLife } from '../../../../worker/supervisor/process/watch-life.ts';

// A second and a half without a sign, of which a living process gives thirty in that time.
const everyMs = 50;
const mostLooks = 30;

const chores = createChores(pino({ level: 'silent' }));

let folder: string;
let child: ChildProcess;
let stopWatching: () => void;
let standstills: number;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-life-'));
  standstills = 0;
});

afterEach(async () => {
  stopWatching();
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A process that gives its signs, and says so once it has begun; `then` is what it does besides. */
async function startAndWatch(then = ''): Promise<void> {
  const file = path.join(folder, 'life');
  const worker = path.resolve(import.meta.dirname, '../../../../worker');
  const text = `
    import { createChores } from ${JSON.stringify(path.join(worker, 'chores.ts'))};
    import { giveLifeSigns } from ${JSON.stringify(path.join(worker, 'processes/life-signs.ts'))};
    giveLifeSigns(createChores(console), ${JSON.stringify(file)}, ${everyMs});
    console.log('begun');
    setInterval(() => undefined, 1_000);
    ${then}`;
  child = spawn(process.execPath, ['--input-type=module-typescript', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  stopWatching = watchLife({
    file,
    everyMs,
    mostLooks,
    chores,
    onStandstill: () => {
      standstills += 1;
    },
  });
}

test('a process whose event loop turns is left alone, and one that was stopped is told once', async () => {
  await startAndWatch();
  await sleep(1.5 * mostLooks * everyMs);
  expect(standstills).toBe(0);
  child.kill('SIGSTOP');
  await expect.poll(() => standstills).toBe(1);
  await sleep(1.2 * mostLooks * everyMs);
  expect(standstills).toBe(1);
});

test('a blocked event loop gives no sign', async () => {
  await startAndWatch('setTimeout(() => { for (;;); }, 100);');
  await expect.poll(() => standstills).toBe(1);
});

test('a process that never gave a sign is told too', async () => {
  await startAndWatch();
  stopWatching();
  const file = path.join(folder, 'never');
  const told = Promise.withResolvers<void>();
  stopWatching = watchLife({ file, everyMs: 10, mostLooks: 5, chores, onStandstill: told.resolve });
  await told.promise;
});

test('a process that can give no sign, its folder being gone or its disk full, is not told', async () => {
  await startAndWatch();
  stopWatching();
  const file = path.join(folder, 'gone', 'never');
  stopWatching = watchLife({
    file,
    everyMs: 10,
    mostLooks: 5,
    chores,
    onStandstill: () => void (standstills += 1),
  });
  await sleep(300);
  expect(standstills).toBe(0);
});

test('while the watcher itself stands still, as with the machine suspended, nothing is counted', async () => {
  await startAndWatch();
  child.kill('SIGSTOP');
  // Twice the time in which a look a moment would have told.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * mostLooks * everyMs);
  // Continued after the watcher: it looks once before the first sign.
  await sleep(everyMs);
  child.kill('SIGCONT');
  await sleep(mostLooks * everyMs);
  expect(standstills).toBe(0);
});
