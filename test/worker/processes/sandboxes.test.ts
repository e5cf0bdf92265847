import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { SandboxDriver, Usable } from '../../../activities/sandbox/sandbox.ts';
import { Settings } from '../../../worker/config/settings.ts';
import { bestSandboxOf, sandboxDrivers } from '../../../worker/processes/sandboxes.ts';
import { giveToAgent, run } from '../../activities/sandbox/opened.ts';

const no: Usable = { ok: false, why: 'It is not there.', how: 'Install it.' };

/** Nothing of it is opened here. */
function kind(mode: string, usable: Usable, asked: string[] = []): SandboxDriver {
  const contains = { files: true, network: true, processes: true };
  const probe = async () => {
    asked.push(mode);
    return usable;
  };
  return { mode, contains, reach: 'contains files', probe } as unknown as SandboxDriver;
}

async function chosen(sandbox: Usable, bubblewrap: Usable) {
  const drivers = [kind('mount', { ok: true }), kind('bubblewrap', bubblewrap), kind('sandbox', sandbox)];
  return (await bestSandboxOf(drivers)())?.mode;
}

test('the best kind is the first that contains and can be used', async () => {
  expect([
    await chosen({ ok: true }, { ok: true }),
    await chosen(no, { ok: true }),
    await chosen(no, no),
  ]).toEqual(['sandbox', 'bubblewrap', undefined]);
});

test('runs that come at once ask an engine once', async () => {
  const asked: string[] = [];
  const best = bestSandboxOf([kind('bubblewrap', { ok: true }, asked), kind('sandbox', no, asked)]);
  const views = await Promise.all([best(), best(), best()]);
  expect([views.map((view) => view?.mode), asked]).toEqual([
    ['bubblewrap', 'bubblewrap', 'bubblewrap'],
    ['sandbox', 'bubblewrap'],
  ]);
});

test('a data folder that lies in a project is in no sandbox that contains files', async () => {
  const projectPath = mkdtempSync(path.join(tmpdir(), 'perdure-data-'));
  onTestFinished(() => rmSync(projectPath, { recursive: true }));
  const dataFolder = path.join(projectPath, 'data');
  mkdirSync(dataFolder);
  for (const name of ['ours', 'data/token']) writeFileSync(path.join(projectPath, name), name);
  const drivers = sandboxDrivers(
    { dataFolder, sandbox: Settings.parse({}).sandbox },
    { programs: '/usr/bin:/bin', variables: {} },
  );
  for (const driver of drivers.filter(({ contains }) => contains.files)) {
    if (!(await driver.probe()).ok) continue;
    if (driver.mode === 'sandbox') giveToAgent(projectPath);
    const opened = await driver.open({ id: 'hides', tenantId: 'tenant', projectPath });
    const sandbox = await opened.forCall();
    const { stdout } = await run(sandbox, 'cat ours data/token');
    const token = await sandbox.read('data/token', 100).catch((error: Error) => error.name);
    await opened.close('ended');
    expect([driver.mode, stdout, token]).toEqual([driver.mode, 'ours', 'PathDenied']);
  }
});
