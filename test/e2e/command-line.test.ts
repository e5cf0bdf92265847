// The command line beside the whole product: the demo as a person sees it, and runs that are watched while the
// processes behind them are killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { type Platform, startPlatform } from '../support/platform.ts';

const main = path.join(import.meta.dirname, '../../api/cli/main.ts');
const recording = path.join(import.meta.dirname, '../../api/cli/demo/recording.txt');

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform({ cache: inject('bundles') });
});

afterAll(async () => {
  await platform?.remove();
});

interface Called {
  out(): string;
  /** Resolves when the text has come, fails when the command ends before. */
  saw(text: string): Promise<void>;
  end: Promise<{ code: number; err: string }>;
}

function perdure(...args: string[]): Called {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH ?? '', PERDURE_DATA: platform.data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  const end = once(child, 'close').then(([code]) => ({ code: code as number, err }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await end;
  });
  async function saw(text: string): Promise<void> {
    while (!out.includes(text)) {
      const more = await Promise.race([once(child.stdout ?? child, 'data'), end.then(() => undefined)]);
      if (more === undefined && !out.includes(text))
        throw new Error(`It ended without "${text}":\n${out}${err}`);
    }
  }
  return { out: () => out, saw, end };
}

/** What is done, and when the worker is killed: the same in every run of the demo. */
function stepsOf(shown: string): string[] {
  return shown.split('\n').filter((line) => /^(→|— step|— kill)/.test(line));
}

async function latestRun() {
  const [run] = (await platform.client.runs({ limit: 1 })).items;
  if (run === undefined) throw new Error('There is no run.');
  return run;
}

test('the demo kills its worker in the middle of a call and tells what came of it', async () => {
  const before = platform.pid('worker');
  const demo = perdure('demo');
  expect(await demo.end).toEqual({ code: 0, err: '' });
  expect(platform.pid('worker')).not.toBe(before);
  const run = await latestRun();
  const { items } = await platform.client.runEvents(run.id, { limit: 1000 });
  const out = demo.out();
  expect(out).toContain('— kill -9 of the worker, in the middle of call 4.0\n');
  expect(out).toContain('? 4.0 shell · outcome unknown: it may have taken effect\n');
  expect(out).toMatch(
    /\nThe worker was killed in the middle of call 4\.0; the run went on \d+\.\d s later\.\n/,
  );
  expect(out).toContain('Whether call 4.0 (shell node soak.js 10) took effect could not be known');
  expect(out).toContain(
    '\n-  return sum - discountPercent;\n+  return Math.round((sum * (100 - discountPercent)) / 100);\n',
  );
  expect(
    out.endsWith(`\n${items.length} events, numbered 1 to ${items.length}: none lost, none twice.\n`),
  ).toBe(true);
  expect(stepsOf(out), 'as it was recorded').toEqual(stepsOf(await readFile(recording, 'utf8')));
  const calls = (await platform.client.calls(run.id)).items.map(
    ({ callId, status }) => `${callId} ${status}`,
  );
  expect(calls).toEqual([
    '1.0 succeeded',
    '2.0 succeeded',
    '2.1 succeeded',
    '2.2 failed',
    '3.0 succeeded',
    '4.0 unknown',
    '5.0 succeeded',
    '5.1 succeeded',
    '6.0 succeeded',
    '7.0 succeeded',
  ]);
});

test('a run goes on being shown when the API is killed, and no word is lost or repeated', {
  tags: ['faults'],
}, async () => {
  const run = perdure('run', 'speak slowly', '--model', 'scripted/slow');
  await run.saw('A slow answer is the best way');
  platform.kill('api');
  expect(await run.end).toEqual({ code: 0, err: '' });
  const note = '— the server does not answer; this goes on by itself as soon as it does\n';
  expect(run.out().split(note).length).toBe(2);
  const { finalMessage } = await latestRun();
  const words = run.out().replace(note, '').replace(/\s+/g, '');
  expect(words).toContain(finalMessage?.replace(/\s+/g, ''));
});

test('when the worker is killed in the middle of an answer, what was said is called superseded and said again', {
  tags: ['faults'],
}, async () => {
  const run = perdure('run', 'speak slowly', '--model', 'scripted/slow');
  await run.saw('A slow answer is the best way');
  platform.kill('worker');
  expect(await run.end).toEqual({ code: 0, err: '' });
  const [before = '', after = ''] = run.out().split(/^! superseded: the text of step 1 above \(.*\)$/m);
  expect(before).toContain('A slow answer is the best way');
  const { finalMessage } = await latestRun();
  expect(after.replace(/\s+/g, '')).toContain(finalMessage?.replace(/\s+/g, ''));
});

test('status lists the five processes by name, pid, address and health', async () => {
  await platform.ready();
  const status = perdure('status', '--json');
  expect((await status.end).code).toBe(0);
  const { processes, runs } = JSON.parse(status.out());
  const named = processes.map(({ name, pid, health }: { name: string; pid: number; health: string }) => ({
    name,
    pid,
    health,
  }));
  expect(named).toEqual(
    (['supervisor', 'api', 'worker', 'postgres', 'temporal'] as const).map((name) => ({
      name,
      pid: platform.pid(name),
      health: 'up',
    })),
  );
  expect(runs).toEqual([]);
});
