// Removes from a project's host-owned git directory what none of the given trees holds. The index of the last recording
// counts as one of them: the next recording builds on it and does not write again what it lists.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { askOf } from './blobs.ts';
import { runGit } from './command.ts';

export async function pruneTrees(input: {
  gitFolder: string;
  trees: readonly string[];
  /** What was written or listed since stays: a recording may be about to name it. */
  before: Date;
}): Promise<void> {
  const { gitFolder, trees, before } = input;
  const index = join(gitFolder, 'indexes', 'last');
  // References hold any number of trees; a command line does not.
  const present = await presentOf(gitFolder, trees);
  const kept = await runGit({ gitFolder, args: ['for-each-ref', '--format=%(refname)', 'refs/kept/'] });
  const wanted = new Set(present.map((tree) => `refs/kept/${tree}`));
  const gone = kept.output
    .toString('utf8')
    .split('\n')
    .filter((name) => name !== '' && !wanted.has(name));
  const updates = [
    ...gone.map((name) => `delete ${name}\n`),
    ...present.map((tree) => `update refs/kept/${tree} ${tree}\n`),
  ].join('');
  if (updates !== '') await runGit({ gitFolder, args: ['update-ref', '--stdin'], input: updates });
  await runGit({
    gitFolder,
    ...(existsSync(index) && { indexFile: index }),
    args: ['prune', `--expire=${Math.floor(before.getTime() / 1000)}`],
  });
}

/** A tree that was damaged or lost has nothing to keep. */
async function presentOf(gitFolder: string, trees: readonly string[]): Promise<string[]> {
  const named = trees.filter((tree) => /^[0-9a-f]{40}$/.test(tree));
  const output = await askOf(gitFolder, named, '--batch-check=%(objectname) %(objecttype)');
  return output
    .toString('utf8')
    .split('\n')
    .flatMap((line) => /^([0-9a-f]{40}) tree$/.exec(line)?.[1] ?? []);
}
