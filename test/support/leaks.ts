// Fails a test that leaves a child process behind, and a test file that leaves a Temporal worker or connection.
// Open database pools are seen by the server: the drop in postgres.ts fails on them.
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterAll, beforeEach, onTestFinished } from 'vitest';
import { closingMs as goneMs } from './closing.ts';

const require = createRequire(import.meta.url);

interface Child {
  pid: number;
  command: string;
}

beforeEach(async () => {
  const before = new Set((await children()).map((child) => child.pid));
  // Hooks run last in, first out: the first one registered sees what every other clean-up has left.
  onTestFinished(async () => {
    const left = await untilNone(async () => (await children()).filter((child) => !before.has(child.pid)));
    if (left.length > 0)
      throw new Error(`The test left child processes: ${named(left)}. End them in the test.`);
  });
});

afterAll(async () => {
  const processes = await untilNone(children);
  if (processes.length > 0) throw new Error(`The test file left child processes: ${named(processes)}.`);
  const natives = await untilNone(async () => temporalObjects());
  if (natives.length > 0) {
    throw new Error(
      `The test file left ${natives.length} Temporal workers or connections open. Close them in afterAll.`,
    );
  }
});

/** Asks again until nothing is left or the time is up. */
async function untilNone<T>(ask: () => Promise<T[]>): Promise<T[]> {
  const deadline = Date.now() + goneMs;
  for (;;) {
    // Before the look: what is seen after a standstill is not told as it was before.
    const isLast = Date.now() > deadline;
    const left = await ask();
    if (left.length === 0 || isLast) return left;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function children(): Promise<Child[]> {
  const threads = await readdir('/proc/self/task').catch(() => []);
  const found: Child[] = [];
  for (const thread of threads) {
    const pids = await readFile(`/proc/self/task/${thread}/children`, 'utf8').catch(() => '');
    for (const pid of pids.split(' ').filter(Boolean)) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
      if (command) found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() });
    }
  }
  return found;
}

/** Workers and connections the native SDK still holds, when this process has loaded it at all. */
function temporalObjects(): object[] {
  const file = require.resolve('@temporalio/worker/lib/runtime');
  const runtime = require.cache[file]?.exports as
    | { Runtime: { _instance?: { backRefs: Set<object> } } }
    | undefined;
  return [...(runtime?.Runtime._instance?.backRefs ?? [])];
}

function named(left: Child[]): string {
  return left.map((child) => `${child.pid} (${child.command.slice(0, 120)})`).join(', ');
}
