// A project in a folder of its own, with a git folder beside it and a shell as a person has it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { diffTree, recordTree } from '../../../activities/git/tree.ts';

interface Bench {
  folder: string;
  project: string;
  gitFolder: string;
  /** In the project, with the tools a person has. */
  shell(command: string): string;
  put(name: string, content: string | Buffer): void;
  record(): Promise<string>;
  changes(tree: string): Promise<Record<string, string>>;
  names(tree: string): string[];
}

export function openBench(): Bench {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'perdure-tree-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [project, gitFolder] = [path.join(folder, 'project'), path.join(folder, 'data/trees/x.git')];
  mkdirSync(project);
  const person = { NAME: 'P', EMAIL: 'p@example.org' };
  const names = Object.entries(person).flatMap(([key, value]) => [
    [`GIT_AUTHOR_${key}`, value],
    [`GIT_COMMITTER_${key}`, value],
  ]);
  const env = {
    PATH: process.env.PATH,
    GIT_CONFIG_NOSYSTEM: '1',
    HOME: folder,
    ...Object.fromEntries(names),
  };
  return {
    folder,
    project,
    gitFolder,
    shell: (command) =>
      execFileSync('bash', ['-euc', command], { cwd: project, env, encoding: 'utf8', stdio: 'pipe' }),
    put(name, content) {
      mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
      writeFileSync(path.join(project, name), content);
    },
    record: () => recordTree({ project, gitFolder }),
    async changes(tree) {
      const { files } = await diffTree({ project, gitFolder, tree, maxBytes: 1_000_000 });
      return Object.fromEntries(files.map((file) => [file.path, file.status]));
    },
    names(tree) {
      const args = ['--git-dir', gitFolder, 'ls-tree', '-rz', '--name-only', tree];
      return execFileSync('git', args, { encoding: 'latin1', env }).split('\0').filter(Boolean);
    },
  };
}
