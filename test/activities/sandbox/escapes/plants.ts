// What a command may leave in a project so that a git which reads it later runs something, and what comes of it when our
// own recording and diffing meet it, and when a person's git does.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { diffTree, recordTree } from '../../../../activities/git/tree.ts';
import type { MakeDriver } from './escapes.ts';
import { type GiveAway, openScene, plainGit, type Scene } from './scene.ts';

interface Plant {
  name: string;
  /** `trap`: what is to be run. */
  command(trap: string): string;
  /** Where a person's git trips it, and what it is asked. */
  trips?: { where: string; args: readonly string[] };
}

const here = (...args: string[]): Plant['trips'] => ({ where: '.', args });
const monitored = (folder: string, trap: string): string =>
  `git -C ${folder} config core.fsmonitor '${trap}'`;

export const plants: readonly Plant[] = [
  {
    name: 'a hook',
    command: (trap) => `printf '#!/bin/sh\n${trap}' > .git/hooks/post-index-change; chmod +x .git/hooks/*`,
    trips: here('add', '-A'),
  },
  {
    name: 'a folder of hooks in the project',
    command: (trap) =>
      `mkdir h; printf '#!/bin/sh\n${trap}' > h/post-index-change; chmod +x h/*; git config core.hooksPath h`,
    trips: here('add', '-A'),
  },
  { name: 'a monitor', command: (trap) => monitored('.', trap), trips: here('status') },
  {
    name: 'settings that include a file of the project',
    command: (trap) => `git config include.path ../inc; printf '[core]\nfsmonitor = "${trap}"\n' > inc`,
    trips: here('status'),
  },
  {
    name: 'a filter by attributes of the project',
    command: (trap) => `git config filter.x.clean '${trap}'; echo '* filter=x' > .gitattributes; touch new`,
    trips: here('add', '-A'),
  },
  {
    name: 'a filter by attributes of the repository',
    command: (trap) =>
      `git config filter.x.clean '${trap}'; echo '* filter=x' > .git/info/attributes; touch new`,
    trips: here('add', '-A'),
  },
  {
    name: 'a program that shows differences',
    command: (trap) => `git config diff.external '${trap}'; git add file; echo more >> file`,
    trips: here('diff'),
  },
  {
    name: 'a program that turns files into text',
    command: (trap) =>
      `git config diff.x.textconv '${trap}'; echo '* diff=x' > .gitattributes; git add file; echo more >> file`,
    trips: here('diff'),
  },
  {
    name: 'a .git file that leads to a folder of the project',
    command: (trap) => `cp -r .git evil; ${monitored('evil', trap)}; mv .git old; echo 'gitdir: evil' > .git`,
    trips: here('status'),
  },
  {
    name: 'a .git link to a folder of the project',
    command: (trap) => `cp -r .git evil; ${monitored('evil', trap)}; mv .git old; ln -s evil .git`,
    trips: here('status'),
  },
  {
    name: 'settings of the work tree',
    command: (trap) =>
      `git config extensions.worktreeConfig true; printf '[core]\nfsmonitor = "${trap}"\n' > .git/config.worktree`,
    trips: here('status'),
  },
  {
    name: 'a repository in the project',
    command: (trap) =>
      `git init -q inner; git -C inner commit -q --allow-empty -m x; ${monitored('inner', trap)}; git add inner`,
    trips: here('status'),
  },
  {
    name: 'a .git file in the project that leads to a folder of it',
    command: (trap) =>
      `git init -q away; ${monitored('away', trap)}; mkdir in; echo 'gitdir: ../away/.git' > in/.git`,
    trips: { where: 'in', args: ['status'] },
  },
  {
    name: 'a bare repository in the project',
    command: (trap) =>
      `git init -q --bare bare; git -C bare config core.bare false; git -C bare config core.worktree ..; ${monitored('bare', trap)}`,
    trips: { where: 'bare', args: ['status'] },
  },
  // What would be read for ever.
  { name: 'a pipe as a repository', command: () => 'mv .git old; mkfifo .git' },
  { name: 'a pipe as a setting', command: () => 'mv .git/config .git/old; mkfifo .git/config' },
];

interface Outcome {
  name: string;
  /** Whether our own operations ran it; they end, and see the change that is made after it, or this throws. */
  ours: boolean;
  /** Whether a person's git did after them; undefined where there is nothing for it to do. */
  theirs?: boolean;
}

/** Leaves each in a project of its own, by a command in the sandbox. */
export async function plant(make: MakeDriver, give: GiveAway = () => {}): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const each of plants) {
    const scene = await openScene(give);
    try {
      outcomes.push(await meet(each, make, scene));
    } finally {
      await scene.dispose();
    }
  }
  return outcomes;
}

async function meet({ name, command, trips }: Plant, make: MakeDriver, scene: Scene): Promise<Outcome> {
  const { project, outside, folder, data } = scene;
  const trap = path.join(outside, 'planted');
  const gitFolder = path.join(folder, 'trees');
  const recording = { project, gitFolder, exclude: data };
  const driver = make(scene);
  const open = await driver.open({ id: 'run', tenantId: 'tenant', projectPath: project });
  await (await open.forCall()).exec({
    command: command(`touch ${trap}`),
    key: 'run/1.0',
    signal: AbortSignal.timeout(120_000),
    onStart: async () => {},
    onOutput: () => {},
  });
  await open.close('ended');
  // The command itself may have been the one to run it: git in the sandbox, or without one.
  rmSync(trap, { force: true });
  const tree = await recordTree(recording);
  writeFileSync(path.join(project, 'file'), 'changed\n');
  const { files } = await diffTree({ ...recording, tree, maxBytes: 10_000 });
  if (!files.some((file) => file.path === 'file' && file.status === 'modified'))
    throw new Error(`After ${name} the change of a file was not seen.`);
  const ours = existsSync(trap);
  rmSync(trap, { force: true });
  if (trips === undefined) return { name, ours };
  try {
    execFileSync('git', trips.args, { cwd: path.join(project, trips.where), env: plainGit, stdio: 'ignore' });
  } catch {
    // A repository that is broken runs nothing, or has run it before.
  }
  return { name, ours, theirs: existsSync(trap) };
}
