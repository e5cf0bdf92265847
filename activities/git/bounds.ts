// What git is told in a command that was allowed by its words, so that it works in the project's own repository and
// runs nothing a project's files name. Git reads a configuration file from the folder of what work trees share
// (GIT_COMMON_DIR): that folder is ours and leads on to the repository's, so no file of the project is read as one.
import { createHash } from 'node:crypto';
import { mkdir, readlink, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SandboxRefusal } from '../sandbox/sandbox.ts';
import { GitProblem, nothingElse, nothingRuns, programs, runGit } from './command.ts';
import { isGone } from './plain-file.ts';
import { replaceFile, replaceWith } from './replace-file.ts';
import { findRepository, type Repository } from './repository.ts';
import { readOwnSettings, readSettings, type Setting } from './repository-settings.ts';

const ours = join(import.meta.dirname, 'bound');

// For a project without a repository; git says "not a git repository: …".
const noRepository = '/dev/null/this project has none of its own';

// What work trees share, but for the configuration and the hooks. A link that leads nowhere keeps git from making
// such a thing in our folder.
const shared = ['objects', 'refs', 'packed-refs', 'reftable', 'logs', 'info', 'shallow', 'worktrees'];

// Settings that name no program and no file, or only text that is shown.
const harmless =
  /^(core\.(filemode|ignorecase|symlinks|precomposeunicode|autocrlf|eol|safecrlf|quotepath|abbrev|sparsecheckout|sparsecheckoutcone|logallrefupdates|protectntfs|protecthfs)|index\.sparse|user\.(name|email)|i18n\..*|remote\..*\.(url|pushurl|fetch)|branch\..*\.(remote|merge|rebase)|diff\.(renames|renamelimit|algorithm)|status\.(showuntrackedfiles|renames))$/s;

// A setting takes two variables; with more, starting a program becomes slow and then fails. Those of thousands of
// branches are what is left out first.
const mostSettings = 500;
// Enough for a long URL. One variable may hold 128 KiB, and all of them, with the arguments, often no more than 2 MiB.
const longestSetting = 1024;

const shutOff: readonly Setting[] = [
  ...nothingRuns.map((each): Setting => {
    const [name = '', value = ''] = each.split('=');
    return [name, value];
  }),
  ['protocol.https.allow', 'always'],
  ['protocol.http.allow', 'always'],
  ['protocol.ssh.allow', 'always'],
  ['safe.bareRepository', 'explicit'],
  // What .gitmodules says against it is stopped by the `git` that git starts (bound/git).
  ['diff.ignoreSubmodules', 'dirty'],
];

/** Where `git` is not held to a repository: at least it runs nothing that settings and ignored files name. */
export const gitRunsNothing: Readonly<Record<string, string>> = { ...nothingElse, ...settingsOf(shutOff) };

/** The environment of a bash in which `git` is held to the repository of a directory, a real path. `folder`: ours. */
export function createGitBounds({
  folder,
}: {
  folder: string;
}): (directory: string) => Promise<Record<string, string>> {
  let execPath: Promise<string> | undefined;
  return async (directory) => {
    execPath ??= runGit({ gitFolder: '/dev/null', args: ['--exec-path'] }).then(({ output }) =>
      output.toString('utf8').trimEnd(),
    );
    // Asked again by the next call, should git be installed by then.
    execPath.catch(() => (execPath = undefined));
    const path = await execPath.catch((error: unknown) => {
      if (!(error instanceof GitProblem)) throw error;
      throw new SandboxRefusal(`a command with git cannot run: ${error.message}`);
    });
    const repository = await findRepository(directory);
    return {
      // Bash expands it as if it stood in double quotes.
      BASH_ENV: join(ours, 'start.bash').replace(/[$`"\\]/g, String.raw`\$&`),
      ...nothingElse,
      ...(await placesOf(folder, repository)),
      ...settingsOf(await allSettings(repository)),
      GIT_BOUND_PATH: `${programs}:${path}`,
      GIT_BOUND_PROGRAM: join(path, 'git'),
      GIT_EXEC_PATH: ours,
      GIT_TEMPLATE_DIR: '',
      GIT_NO_LAZY_FETCH: '1',
      GIT_PAGER: 'cat',
      GIT_EDITOR: 'false',
      GIT_SEQUENCE_EDITOR: 'false',
      GIT_ASKPASS: 'false',
    };
  };
}

async function placesOf(folder: string, repository: Repository | undefined): Promise<Record<string, string>> {
  const common = repository && (await commonFolderFor(folder, repository));
  if (repository === undefined || common === undefined) return { GIT_DIR: noRepository };
  return { GIT_DIR: repository.gitFolder, GIT_WORK_TREE: repository.workTree, GIT_COMMON_DIR: common };
}

/** Our folder for a repository. Several calls may make it at the same time. */
async function commonFolderFor(folder: string, { commonFolder }: Repository): Promise<string | undefined> {
  const format = formatOf(await readSettings(commonFolder, ['config']));
  if (format === undefined) return undefined;
  const name = createHash('sha256').update(commonFolder).digest('hex').slice(0, 32);
  const common = join(folder, name);
  await mkdir(common, { recursive: true, mode: 0o700 });
  // Git makes it with the first commit; behind a link that leads nowhere it could not.
  await mkdir(join(commonFolder, 'logs')).catch(() => {});
  for (const each of shared) await linkTo(join(commonFolder, each), join(common, each));
  await replaceFile(join(common, 'config'), format);
  return common;
}

async function linkTo(target: string, link: string): Promise<void> {
  const now = await readlink(link).catch((error) => {
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  });
  if (now === target) return;
  await replaceWith(link, (made) => symlink(target, made));
}

/** How the repository is stored. Undefined where that is nothing git would know. */
function formatOf(settings: readonly Setting[]): string | undefined {
  const version = settings.findLast(([name]) => name === 'core.repositoryformatversion')?.[1] ?? '0';
  const extensions = settings.filter(
    // With worktreeconfig git would read another file of the repository, with partialclone load what is missing.
    ([name]) => /^extensions\.(?!worktreeconfig$|partialclone$)/.test(name),
  );
  const isPlain =
    /^[01]$/.test(version) && extensions.every((each) => /^extensions\.[a-z]+ [\w.-]*$/.test(each.join(' ')));
  if (!isPlain) return undefined;
  const lines = extensions.map(([name, value]) => `\t${name.slice(11)} = ${value}\n`);
  return `[core]\n\trepositoryformatversion = ${version}\n\tbare = false\n[extensions]\n${lines.join('')}`;
}

async function allSettings(repository: Repository | undefined): Promise<Setting[]> {
  const own = await readOwnSettings(homedir());
  if (repository === undefined) return [...own, ...shutOff];
  const { gitFolder, commonFolder } = repository;
  const given = [
    ...(await readSettings(commonFolder, ['config'])),
    ...(await readSettings(gitFolder, ['config.worktree'])),
  ];
  const kept = given.filter(
    ([name, value]) => harmless.test(name) && name.length + value.length <= longestSetting,
  );
  // Last, so that nothing outranks these.
  return [...own, ...kept.slice(0, mostSettings), ...shutOff];
}

function settingsOf(settings: readonly Setting[]): Record<string, string> {
  const numbered = settings.flatMap(([name, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, name],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return Object.fromEntries([['GIT_CONFIG_COUNT', `${settings.length}`], ...numbered]);
}
