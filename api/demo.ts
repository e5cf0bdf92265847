// Starts the demo: a fresh copy of a small project with a failing test, and a scripted run that mends it.
import { cp, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Accepted } from '../activities/store/lifecycle/accept-run.ts';
import type { StartRunBody } from '../workflows/contracts/run.ts';
import type { DemoView } from '../workflows/contracts/system.ts';

export interface StartDemoInput {
  /** Of the server; the copies lie in `demo/1`, `demo/2` … below it. */
  dataFolder: string;
  startRun(body: StartRunBody): Promise<Accepted>;
}

export interface StartedDemo {
  accepted: Accepted;
  view: DemoView;
}

const template = join(import.meta.dirname, 'cli', 'demo', 'project');

export async function startDemo({ dataFolder, startRun }: StartDemoInput): Promise<StartedDemo> {
  const project = await makeFolder(resolve(dataFolder, 'demo'));
  await cp(template, project, { recursive: true });
  const accepted = await startRun({
    prompt: 'A test of this project fails. Find out why, mend it, and prove that it is mended.',
    project: { path: project },
    model: 'scripted/demo',
  });
  const { run } = accepted;
  return { accepted, view: { runId: run.id, conversationId: run.conversation_id, project } };
}

/** The first number that is free; two demos started at once get two folders. */
async function makeFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (let number = 1; ; number += 1) {
    const folder = join(parent, String(number));
    try {
      await mkdir(folder);
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
