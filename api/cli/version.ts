// What `perdure --version` says: the version of the package, and the commit of its checkout where there is one.
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

type Environment = Record<string, string | undefined>;

export function versionLine(installFolder: string, environment: Environment): string {
  const { version } = JSON.parse(readFileSync(join(installFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const revision = revisionOf(installFolder, environment);
  return `perdure ${version}${revision === undefined ? '' : ` (${revision})`}`;
}

/** Undefined without git, and in a copy that is no checkout: a repository around it has commits of other code. */
function revisionOf(installFolder: string, environment: Environment): string | undefined {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('GIT_'));
  const { status, stdout } = spawnSync('git', ['rev-parse', '--show-toplevel', '--short=12', 'HEAD'], {
    cwd: installFolder,
    env: Object.fromEntries(others),
    encoding: 'utf8',
    // It reads two files; a hang of a network's file system must not keep the version back.
    timeout: 2_000,
  });
  const [top, revision] = (stdout ?? '').trim().split('\n');
  return status === 0 && top === realpathSync(installFolder) ? revision : undefined;
}
