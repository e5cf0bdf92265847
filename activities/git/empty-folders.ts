// Finds the folders of a project that hold nothing. Git names the topmost folder without a file of the project, which may
// also hold others, or only what is ignored.
import { readdir } from 'node:fs/promises';
import { runGit } from './command.ts';
import { namesIn } from './project-files.ts';

// What is ignored may be a whole dependency folder; beyond this many names empty folders are not looked for.
const mostNames = 20_000;

/** Their names as latin1, without a slash at the end. The index holds the files of the project. */
export async function emptyFolders(input: {
  index: string;
  project: string;
  gitFolder: string;
  excludesFile: string | undefined;
}): Promise<string[]> {
  const { index: indexFile, project: workTree, gitFolder, excludesFile } = input;
  const args = ['ls-files', '--others', '--exclude-standard', '--directory', '-z'];
  const { output } = await runGit({ gitFolder, workTree, indexFile, excludesFile, args });
  const found: string[] = [];
  let left = mostNames;

  async function look(folder: string): Promise<void> {
    const place = Buffer.concat([Buffer.from(`${workTree}/`), Buffer.from(folder, 'latin1')]);
    const inside = await readdir(place, { withFileTypes: true, encoding: 'buffer' }).catch(() => undefined);
    if (inside === undefined) return;
    if (inside.length === 0) found.push(folder);
    left -= inside.length;
    for (const each of inside) {
      const name = each.name.toString('latin1');
      if (left > 0 && each.isDirectory() && name.toLowerCase() !== '.git') await look(`${folder}/${name}`);
    }
  }

  for (const name of namesIn(output)) {
    // A folder whose name is `.git` is none of the project's, and git refuses it in a tree.
    if (left > 0 && name.endsWith('/') && !/(^|\/)\.git\//i.test(name)) await look(name.slice(0, -1));
  }
  return found;
}
