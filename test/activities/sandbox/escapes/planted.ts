// What a command may leave in the repositories of a project, which a person's git then runs: the last of the ways out.
import { execFileSync } from 'node:child_process';
import { plainGit, type Scene } from './scene.ts';

interface Planted {
  name: string;
  plant(scene: Scene): string;
  /** Commands behind it, each with a look of its own at what is there. */
  more?(scene: Scene): string[];
  /** Where in the project a person's git then works. */
  where: string;
}

const inModule = ({ outside }: Scene): string =>
  `git init -q module; git -C module -c user.name=x -c user.email=x commit -q --allow-empty -m x; git -C module config core.fsmonitor 'touch ${outside}/planted'`;

const each: Planted[] = [
  {
    name: 'a hook',
    plant: (scene) =>
      `printf '#!/bin/sh\\ntouch ${scene.outside}/planted' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit`,
    where: '',
  },
  {
    name: 'a folder of hooks in git’s settings',
    plant: (scene) =>
      `mkdir -p hooks; printf '#!/bin/sh\\ntouch ${scene.outside}/planted' > hooks/pre-commit; chmod +x hooks/pre-commit; git config core.hooksPath "$PWD/hooks"`,
    where: '',
  },
  {
    name: 'a monitor in git’s settings',
    plant: (scene) => `git config core.fsmonitor 'touch ${scene.outside}/planted'`,
    where: '',
  },
  {
    name: 'a filter in git’s settings',
    plant: (scene) =>
      `git config filter.x.clean 'touch ${scene.outside}/planted'; echo '* filter=x' > .gitattributes; touch new`,
    where: '',
  },
  {
    name: 'a monitor in the settings of a nested repository',
    plant: (scene) => `git -C nested config core.fsmonitor 'touch ${scene.outside}/planted'`,
    where: 'nested',
  },
  {
    name: 'a monitor in a nested repository that is moved away and back',
    plant: () => 'mv nested away',
    more: (scene) => [`git -C away config core.fsmonitor 'touch ${scene.outside}/planted'`, 'mv away nested'],
    where: 'nested',
  },
  { name: 'a repository in the empty folder of a submodule', plant: inModule, where: '' },
  {
    name: 'a repository in a folder that takes the place of a submodule’s',
    plant: () => 'rmdir module; mv module gone; mkdir module',
    more: (scene) => [inModule(scene)],
    where: '',
  },
  {
    name: 'a .git file in place of the folder',
    plant: (scene) =>
      `cp -r .git evil && git --git-dir=evil config core.fsmonitor 'touch ${scene.outside}/planted'; mv .git old && echo 'gitdir: evil' > .git`,
    where: '',
  },
  {
    name: 'a .git link in place of the folder',
    plant: (scene) =>
      `cp -r .git evil2 && git --git-dir=evil2 config core.fsmonitor 'touch ${scene.outside}/planted'; rm -rf .git && ln -s evil2 .git`,
    where: '',
  },
];

export const planted = each.map(({ name, plant, more, where }) => ({
  name: `${name}, met by a person’s git`,
  command: plant,
  ...(more && { more }),
  afterwards({ project }: Scene): void {
    const git = (...rest: string[]): void =>
      void execFileSync('git', ['-C', `${project}/${where}`, ...rest], { env: plainGit, stdio: 'ignore' });
    try {
      git('status');
      git('add', '-A');
      git('commit', '-q', '--allow-empty', '-m', 'more');
    } catch {
      // A repository that was broken runs nothing.
    }
  },
}));
