// The project of the demo: a small one with a failing test, copied afresh for each demo that is started.
import { cp, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const template = join(import.meta.dirname, 'cli', 'demo', 'project');

/** The copies lie in `demo/1`, `demo/2` … below the data folder; returns the path of this one. */
export async function copyDemo(dataFolder: string): Promise<string> {
  const project = await makeFolder(resolve(dataFolder, 'demo'));
  await cp(template, project, { recursive: true });
  return project;
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
