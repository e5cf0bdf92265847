import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Chores, createChores } from '../../../../worker/chores.ts';
import { isStopped } from '../../../../worker/process-table.ts';
import { watchLife } from '../../../../worker/supervisor/process/watch-life.ts';

// A second and a half without a sign, of which a living process gives thirty in that time.
const everyMs = 50;
const mostLooks = 30;

const chores = createChores(pino({ level: 'silent' }));

const life = (): string => path.join(folder, 'life');

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
async function startAndWatch(then = '', by = chores): Promise<void> {
  const worker = path.resolve(import.meta.dirname, '../../../../worker');
  const text = `
    import { createChores } from ${JSON.stringify(path.join(worker, 'chores.ts'))};
    import { giveLifeSigns } from ${JSON.stringify(path.join(worker, 'processes/life-signs.ts'))};
    giveLifeSigns(createChores(console), ${JSON.stringify(life())}, ${everyMs});
    console.log('begun');
    setInterval(() => undefined, 1_000);
    ${then}`;
  child = spawn(process.execPath, ['--input-type=module-typescript', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  stopWatching = watchLife({
    file: life(),
    everyMs,
    mostLooks,
    chores: by,
    onStandstill: () => {
      standstills += 1;
    },
  });
}

test('a process whose event loop turns is left alone, and one that was stopped is told once', async () => {
  // Looks when it is told to: how often the process has its turn meanwhile is the machine's business.
  let look = (): unknown => undefined;
  const byHand: Chores = {
    ...chores,
    every(_name, _everyMs, act) {
      look = act;
      return () => {
        look = () => undefined;
      };
    },
  };
  await startAndWatch('', byHand);
  let sign = statSync(life()).mtimeMs;
  for (let looks = 0; looks < 1.5 * mostLooks; looks += 1) {
    await expect.poll(() => statSync(life()).mtimeMs, { interval: 5 }).not.toBe(sign);
    look();
    sign = statSync(life()).mtimeMs;
  }
  expect(standstills).toBe(0);
  child.kill('SIGSTOP');
  await expect.poll(() => isStopped(child.pid ?? 0)).toBe(true);
  for (let looks = 0; looks < 2.5 * mostLooks; looks += 1) look();
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
  // It looks again, without a sign since, and is as far from telling as before.
  await sleep(2 * everyMs);
  expect(standstills).toBe(0);
});
