import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openBench } from './project-bench.ts';

/** Everything a folder holds: names, kinds, contents and times of change. */
function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const stat = lstatSync(path.join(folder, name));
    hash.update(`${name}\0${stat.mode}\0${stat.mtimeMs}\0${stat.ctimeMs}\0`);
    if (stat.isFile()) hash.update(readFileSync(path.join(folder, name)));
  }
  return hash.digest('hex');
}

describe('the project is left alone', () => {
  test('its repository, index and branches are byte for byte what they were', async () => {
    const { project, put, record, shell, changes } = openBench();
    shell(
      'git init -q; echo x > a; git add a; git commit -qm x; echo y > a; git add a; echo z > a; echo u > u; git checkout -qb topic; git stash list',
    );
    const before = fingerprint(path.join(project, '.git'));
    const tree = await record();
    put('a', 'changed');
    expect(await changes(tree)).toEqual({ a: 'modified' });
    expect(fingerprint(path.join(project, '.git'))).toBe(before);
  });

  test('nothing a project plants is run', async () => {
    const { project, put, record, shell, changes, folder } = openBench();
    const trap = path.join(folder, 'trap');
    put('trap.sh', `#!/bin/sh\necho "$0 $*" >> ${trap}\ncat\n`);
    const run = path.join(project, 'trap.sh');
    chmodSync(run, 0o755);
    shell('git init -q; echo x > a.evil; git add .; git commit -qm x');
    const planted = `
      git config core.fsmonitor '${run}'; git config core.hooksPath '${project}/hooks'; git config diff.external '${run}'
      git config core.pager '${run}'; git config core.editor '${run}'; git config core.sshCommand '${run}'
      git config filter.evil.clean '${run}'; git config filter.evil.smudge '${run}'; git config filter.evil.process '${run}'
      git config filter.evil.required true; git config diff.evil.textconv '${run}'; git config diff.evil.command '${run}'
      git config core.attributesFile '${project}/attributes'; git config include.path '${project}/include'
      git config alias.ls-files '!${run}'; git config core.gitProxy '${run}'; git config uploadpack.packObjectsHook '${run}'
      for hook in post-index-change pre-commit reference-transaction fsmonitor-watchman; do
        mkdir -p hooks; cp trap.sh hooks/$hook; cp trap.sh .git/hooks/$hook; done
      echo '* filter=evil diff=evil merge=evil' > .gitattributes; cp .gitattributes attributes
      printf '[core]\\n\\tfsmonitor = ${run}\\n[filter "evil"]\\n\\tclean = ${run}\\n' > include
      cp include "$HOME/.gitconfig"; mkdir nested sub; git init -q nested; cp include nested/.git/config; echo x > nested/n
      printf '[submodule "sub"]\\n\\tpath = sub\\n\\turl = ext::${run}\\n' > .gitmodules
      printf '#!/bin/sh\\necho own git >> ${trap}\\n' > git; chmod +x git`;
    shell(planted);
    // The trap works: git as a person runs it here falls into it.
    shell('git status >/dev/null 2>&1 || true');
    expect(existsSync(trap)).toBe(true);
    rmSync(trap);
    const tree = await record();
    put('a.evil', 'changed');
    put('nested/n', 'changed');
    expect(await changes(tree)).toEqual({ 'a.evil': 'modified', 'nested/n': 'modified' });
    expect(existsSync(trap)).toBe(false);
  });

  test('a .git that is a file, a link, a pipe or nonsense does no harm', async () => {
    const { project, put, record, shell, names } = openBench();
    put('a', 'x');
    for (const plant of [
      'echo "gitdir: /etc" > .git',
      'ln -s /etc .git',
      'mkfifo .git',
      'mkdir .git; mkfifo .git/index',
      'mkdir .git; head -c 100 /dev/urandom > .git/index',
    ]) {
      shell(plant);
      expect([plant, names(await record())]).toEqual([plant, ['a']]);
      rmSync(path.join(project, '.git'), { recursive: true });
    }
  });

  async function meetPipe(name: string): Promise<void> {
    const { put, record, shell } = openBench();
    put('a', 'x');
    put('deep/b', 'x');
    shell(`git init -q; mkfifo ${name}`);
    await expect(record()).rejects.toThrow(
      `${name} is a pipe, which git would wait for without an end; remove it`,
    );
  }

  test('a pipe as an ignore file is named and not waited for', () => meetPipe('deep/.gitignore'));

  test('a pipe as attributes is named as well', { tags: ['faults'] }, () => meetPipe('.gitattributes'));
});
