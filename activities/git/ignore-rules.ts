// What of a project is ignored by rules that stand outside of its own files: those of the repository around it, and
// each repository's info/exclude. They are taken at the start of a run and kept with its tree, since a change of them
// would hide what an agent did and show in no diff. A person's own core.excludesFile does not count: it is named by a
// configuration, which is never read.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { runGit } from './command.ts';
import { readPlainFile } from './plain-file.ts';
import { replaceFile } from './replace-file.ts';
import { findRepository, repositoryAt, type Repository } from './repository.ts';

const IgnoreRules = z.object({
  /** The top of the repository around the project, whose .gitignore files count; null without one. */
  around: z.string().nullable(),
  /** The info/exclude of each repository, by its folder in the project with a slash at its end; `` is the project's. */
  excludes: z.record(z.string(), z.string()),
});
export type IgnoreRules = z.output<typeof IgnoreRules>;

// A list of patterns a person writes by hand.
const maxRulesBytes = 256 * 1024;

/** The rules as they are now. Repositories nested in the project are added as they are met. */
export async function rulesNow(project: string, gitFolder: string, scratch: string): Promise<IgnoreRules> {
  const repository = await findRepository(project);
  if (repository === undefined) return { around: null, excludes: {} };
  const text = await excludeOf(repository);
  const excludes: Record<string, string> = text === '' ? {} : { '': text };
  const around = repository.workTree;
  if (around === project) return { around: null, excludes };
  // A repository that ignores this folder does not count, such as one of the whole home.
  const isIgnored = await withExclude(scratch, text, async (excludesFile) => {
    const args = ['check-ignore', '--no-index', '-z', '--stdin'];
    const input = `./${project.slice(around.length).replace(/^\//, '')}\0`;
    const call = { gitFolder, workTree: around, indexFile: `${scratch}.none`, args, input, excludesFile };
    return (await runGit({ ...call, accepts: [1], notLiteral: true })).output.length > 0;
  });
  return isIgnored ? { around: null, excludes: {} } : { around, excludes };
}

/** The info/exclude of a repository nested in the project; of one that is met for the first time, as it is now. */
export async function addNested(rules: IgnoreRules, folder: string, name: string): Promise<void> {
  const repository = await repositoryAt(folder);
  const text = repository === undefined ? '' : await excludeOf(repository);
  if (text !== '') rules.excludes[name] = text;
}

export async function keepRules(gitFolder: string, tree: string, rules: IgnoreRules): Promise<void> {
  const file = fileOf(gitFolder, tree);
  if (rules.around === null && Object.keys(rules.excludes).length === 0) return rm(file, { force: true });
  await mkdir(join(gitFolder, 'rules'), { recursive: true, mode: 0o700 });
  await replaceFile(file, JSON.stringify(rules));
}

/** The rules the tree was recorded by. */
export async function rulesOf(gitFolder: string, tree: string, project: string): Promise<IgnoreRules> {
  try {
    const rules = IgnoreRules.parse(JSON.parse(await readFile(fileOf(gitFolder, tree), 'utf8')));
    const isAround = rules.around !== null && project.startsWith(rules.around.replace(/\/?$/, '/'));
    return { ...rules, around: isAround ? rules.around : null };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { around: null, excludes: {} };
  }
}

/** Has the rules in a file while git reads them. */
export async function withExclude<Result>(
  scratch: string,
  text: string,
  use: (excludesFile: string | undefined) => Promise<Result>,
): Promise<Result> {
  if (text === '') return use(undefined);
  const file = `${scratch}.exclude`;
  await writeFile(file, Buffer.from(text, 'latin1'), { mode: 0o600 });
  try {
    return await use(file);
  } finally {
    await rm(file, { force: true });
  }
}

/** Without its comments; names are bytes, kept as latin1. */
async function excludeOf({ commonFolder }: Repository): Promise<string> {
  const text =
    (await readPlainFile(join(commonFolder, 'info'), 'exclude', maxRulesBytes))?.toString('latin1') ?? '';
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function fileOf(gitFolder: string, tree: string): string {
  return join(gitFolder, 'rules', `${tree}.json`);
}
