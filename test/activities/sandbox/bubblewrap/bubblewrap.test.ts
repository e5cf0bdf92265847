import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { sandboxConformance } from '../conformance.ts';
import type { Opened } from '../opened.ts';

async function openInFolder(): Promise<Opened> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-bubblewrap-')));
  const [project, outside] = [path.join(folder, 'project'), path.join(folder, 'outside')];
  mkdirSync(project);
  mkdirSync(outside);
  const needs = {
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [path.join(folder, 'data')],
    programs: '/usr/local/bin:/usr/bin:/bin',
    gitBounds: async () => ({}),
  };
  const driver = createBubblewrap(needs);
  const owner = { id: 'run', projectPath: project };
  const open = () => driver.open(owner);
  const opened = await open();
  const dispose = async (): Promise<void> => {
    await opened.close('ended');
    rmSync(folder, { recursive: true });
  };
  return {
    ...{ driver, needs, run: owner, open, sandbox: await opened.forCall(), project, outside, dispose },
    reused: (handle) => ({ ...handle, call: 'run/none', startedTicks: 'long:ago:mine' }),
    elsewhere: (handle) => ({ ...handle, host: 'another-machine' }),
  };
}

sandboxConformance('bubblewrap', openInFolder);
