// Checkpoints: recording a project in which one file has changed, of 2,000 and of 50,000 files, against `git add -A &&
// git write-tree` in the same project.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { recordTree } from '../../activities/git/tree.ts';
import { measurePairs, rate, ratiosOf, report, settings, type Side, type Verdict } from './harness/pairs.ts';

// The time a step has for its calls is the model's: some seconds. The looks must not show beside that.
const sizes = [
  { files: 2_000, target: 2, mustReach: 5 },
  { files: 50_000, target: 5, mustReach: 12 },
];

/** Folders of some files each, with lines as source code has them; a git repository that tracks them all. */
function makeProject(folder: string, files: number): string {
  const project = path.join(folder, 'project');
  for (let at = 0; at < files; at += 1) {
    const place = path.join(project, `part-${at % 100}`, `lib-${at % 37}`);
    mkdirSync(place, { recursive: true });
    writeFileSync(path.join(place, `module-${at}.ts`), `export const value${at} = ${at};\n`.repeat(20));
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: project });
  git('init', '-q');
  git('add', '-A');
  return project;
}

function sideOf(name: string, project: string, once: () => Promise<unknown>): Side {
  let changes = 0;
  return {
    name,
    async measure(seconds) {
      const end = Date.now() + seconds * 1000;
      let units = 0;
      do {
        changes += 1;
        writeFileSync(path.join(project, 'part-0/lib-0/module-0.ts'), `${name} ${changes}\n`);
        await once();
        units += 1;
      } while (Date.now() < end);
      return { units };
    },
  };
}

const checks: Verdict['checks'] = [];
const figures: Verdict['figures'] = {};
for (const { files, target, mustReach } of sizes) {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-checkpoints-'));
  try {
    const project = makeProject(folder, files);
    const gitFolder = path.join(folder, 'trees.git');
    const begun = performance.now();
    const since = await recordTree({ project, gitFolder });
    const firstMs = performance.now() - begun;
    const measured = await measurePairs({
      name: `checkpoint of ${files} files`,
      floor: sideOf('git', project, async () => {
        execFileSync('git', ['add', '-A'], { cwd: project });
        execFileSync('git', ['write-tree'], { cwd: project });
      }),
      ours: sideOf('checkpoint', project, () => recordTree({ project, gitFolder, since })),
      settings: settings(),
    });
    const times = ratiosOf(measured, (stretch) => 1 / rate(stretch));
    const what = `time of a checkpoint of ${files} files, times that of git add and write-tree`;
    checks.push({ what, value: times.median, target, mustReach, higherIsBetter: false });
    figures[files] = { times, firstMs, milliseconds: measured.ours.map((stretch) => 1000 / rate(stretch)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
report({ name: 'checkpoint', checks, figures });
