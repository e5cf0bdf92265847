// Two machines, as far as one can be two: a platform, and a worker that has joined it with a data folder of its own.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { RunView, StartRunBody } from '../../workflows/contracts/run.ts';
import { type Joined, join } from '../support/joined.ts';
import { type Platform, startPlatform, until } from '../support/platform.ts';

// Each ends a hang.
const waitMs = 180_000;

let folder: string;
let platform: Platform;
let joined: Joined;

/** A shell call says on which of the two it runs. */
const marked = (mark: string) => ({ PERDURE_COMMAND_VARIABLES: '+MACHINE_MARK', MACHINE_MARK: mark });

beforeAll(async () => {
  folder = await mkdtemp(path.join(await realpath(tmpdir()), 'perdure-executors-'));
  const scenarios = path.join(folder, 'scenarios');
  await mkdir(scenarios);
  const shell = (command: string) => ({ calls: [{ tool: 'shell', input: { command } }] });
  const write = (name: string, steps: unknown[]) =>
    writeFile(path.join(scenarios, `${name}.yaml`), JSON.stringify({ description: name, steps }));
  await write('marks', [
    shell('echo "on $MACHINE_MARK"; echo made > made.txt'),
    { text: 'It said: {{result:0}}' },
  ]);
  await write('stays', [shell('echo begun > begun.txt; sleep 600'), { text: 'It said: {{result:0}}' }]);
  platform = await startPlatform({
    cache: inject('bundles'),
    environment: {
      PERDURE_SCENARIOS: scenarios,
      PERDURE_EXECUTOR_PATIENCE_SECONDS: '5',
      ...marked('home'),
    },
  });
  joined = await join(platform, 'away', { ...marked('away'), PERDURE_CAPABILITIES: 'gpu' });
  await joined.serve();
});

afterAll(async () => {
  await joined?.remove();
  await platform?.remove();
  await rm(folder, { recursive: true, force: true });
});

async function start(body: Partial<StartRunBody>): Promise<string> {
  const { id } = await platform.client.startRun({
    prompt: 'Go.',
    policy: 'trusted-mount-autonomous',
    execMode: 'mount',
    ...body,
  });
  return id;
}

async function ended(runId: string): Promise<RunView> {
  let run = await platform.client.run(runId);
  await until(
    async () => {
      run = await platform.client.run(runId);
      return run.endedAt !== null;
    },
    waitMs,
    () => `The run ${runId} does not end: ${JSON.stringify(run)}`,
    200,
  );
  return run;
}

async function aProject(name: string): Promise<{ path: string }> {
  const project = path.join(folder, name);
  await mkdir(project);
  return { path: project };
}

test('both machines are executors, and each run acts on the one that it needs', async () => {
  const { items } = await platform.client.executors({ limit: 200 });
  expect(items.map(({ name, state, capabilities }) => ({ name, state, capabilities }))).toContainEqual({
    name: 'away',
    state: 'available',
    capabilities: ['gpu'],
  });
  expect(items.length).toBe(2);
  const project = await aProject('marks');
  const away = await ended(await start({ model: 'scripted/marks', executor: 'away', project }));
  expect([away.status, away.finalMessage, away.executor]).toEqual([
    'succeeded',
    expect.stringContaining('on away'),
    { name: 'away', silentSince: null, until: null },
  ]);
  const home = await ended(await start({ model: 'scripted/marks' }));
  expect([home.status, home.finalMessage, home.executor]).toEqual([
    'succeeded',
    expect.stringContaining('on home'),
    null,
  ]);
});

async function running(project: { path: string }): Promise<void> {
  await until(
    () => existsSync(path.join(project.path, 'begun.txt')),
    waitMs,
    () => 'The command does not begin.',
  );
}

test('a worker that is killed in the middle of a command is started again, and the run goes on there', async () => {
  const project = await aProject('killed');
  const runId = await start({ model: 'scripted/stays', executor: 'away', project });
  await running(project);
  // Its successor stands by: one that had yet to start may take longer than the run is patient.
  await until(
    () => existsSync(path.join(joined.data, 'run', 'standby.ready')),
    waitMs,
    () => 'No worker stands by.',
  );
  const before = joined.pid('worker');
  expect(joined.kill('worker')).toBe(true);
  const run = await ended(runId);
  expect([run.status, run.finalMessage]).toEqual(['succeeded', expect.stringContaining('Outcome unknown')]);
  expect(joined.pid('worker')).not.toBe(before);
});

test('a run says that its executor is gone, and fails when that stays so', async () => {
  const project = await aProject('gone');
  const runId = await start({ model: 'scripted/stays', executor: 'away', project });
  await running(project);
  joined.kill('supervisor');
  joined.kill('worker');
  await joined.remove();
  const run = await ended(runId);
  const { items } = await platform.client.runEvents(runId, { limit: 1000 });
  expect([run.status, run.reason, run.executor?.name, run.executor?.silentSince]).toEqual([
    'failed',
    'executor_lost',
    'away',
    expect.any(String),
  ]);
  expect(items.map(({ type }) => type)).toContain('executor-silent');
});
