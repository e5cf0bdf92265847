// Trees of runs' own: until one is ready to work in, from the record of the project on, against `git worktree add` of the
// same repository; alone, and twenty at once. The project's dependency folder comes along in ours alone.
import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { recordTree } from '../../activities/git/tree.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { ownTreesFolder, treeFolder } from '../../worker/data-folder.ts';
import { createTrees } from '../../worker/processes/trees.ts';
import {
  measurePairs,
  percentile,
  ratiosOf,
  report,
  settings,
  type Side,
  type Verdict,
} from './harness/pairs.ts';

const run = promisify(execFile);
const files = 400;
const modules = 100;
const folders = 40;

const folder = mkdtempSync(path.join(tmpdir(), 'perdure-own-trees-'));
const project = path.join(folder, 'project');
const data = path.join(folder, 'data');
const trees = createTrees(data);

function makeProject(): void {
  const put = (name: string, text: string): void => {
    mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
    writeFileSync(path.join(project, name), text);
  };
  for (let at = 0; at < files; at += 1)
    put(`part-${at % folders}/module-${at}.ts`, `export const value${at} = ${at};\n`.repeat(20));
  for (let at = 0; at < modules; at += 1)
    put(`node_modules/dep-${at}/index.js`, `module.exports = ${at};\n`.repeat(50));
  put('.gitignore', 'node_modules\n');
  const git = (...args: string[]) => execFileSync('git', args, { cwd: project });
  git('init', '-q');
  git('add', '-A');
  git('-c', 'user.name=Bench', '-c', 'user.email=bench@localhost', 'commit', '-qm', 'one');
}

/** Makes one and resolves with where it is. */
type Makes = () => Promise<string>;

/** Makes so many, and resolves when the last one is ready. */
type MakesMany = (many: number) => Promise<string[]>;

const ours: Makes = async () => {
  const id = randomUUID();
  const row = { id, conversation_id: id, project_path: project, work_tree: 'own', exec_mode: 'bubblewrap' };
  await trees.begin(row as Partial<RunRow> as RunRow, undefined, () => {});
  return trees.place(row as Partial<RunRow> as RunRow) ?? '';
};

const worktree: Makes = async () => {
  const place = path.join(folder, 'worktrees', randomUUID());
  await run('git', ['worktree', 'add', '-q', '--detach', place], { cwd: project });
  return place;
};

const oursAtOnce: MakesMany = (many) => Promise.all(Array.from({ length: many }, ours));

/** One after the other: at once, git fails over the half-made entries of its neighbours. */
const worktreesInTurn: MakesMany = async (many) => {
  const places: string[] = [];
  for (let at = 0; at < many; at += 1) places.push(await worktree());
  return places;
};

/** Whole: what git tells of it is nothing, and every folder is there. */
async function requireWhole(place: string): Promise<void> {
  const { stdout } = await run('git', ['status', '--porcelain'], { cwd: place });
  const parts = (await readdir(place)).filter((name) => name.startsWith('part-'));
  if (stdout !== '' || parts.length !== folders) throw new Error(`${place} is not whole: ${stdout}`);
}

/** Only the making counts; looking at what was made and removing it does not. */
function sideOf(name: string, atOnce: number, make: MakesMany): Side {
  return {
    name,
    async measure(seconds) {
      const times: number[] = [];
      let spent = 0;
      do {
        const begun = performance.now();
        const places = await make(atOnce);
        times.push(performance.now() - begun);
        spent += times.at(-1) ?? 0;
        await requireWhole(places[0] ?? '');
        if (make === oursAtOnce && !existsSync(path.join(places[0] ?? '', 'node_modules/dep-0/index.js')))
          throw new Error('The dependencies did not come along.');
        rmSync(ownTreesFolder(data), { recursive: true, force: true });
        rmSync(path.join(folder, 'worktrees'), { recursive: true, force: true });
        await run('git', ['worktree', 'prune'], { cwd: project });
      } while (spent < seconds * 1000);
      return { units: times.length * atOnce, figures: { ms: percentile(times, 0.5) } };
    },
  };
}

const checks: Verdict['checks'] = [];
const figures: Verdict['figures'] = {};

async function measure(atOnce: number, target: number, mustReach: number): Promise<void> {
  const measured = await measurePairs({
    name: `own tree, ${atOnce} at once`,
    floor: sideOf('git worktree add', atOnce, worktreesInTurn),
    ours: sideOf('own tree', atOnce, oursAtOnce),
    settings: settings(),
  });
  const msOf = ({ figures: of }: { figures?: Record<string, number> }) => of?.['ms'] ?? Number.NaN;
  const times = ratiosOf(measured, msOf);
  const what = `time until ${atOnce === 1 ? 'a tree is' : `${atOnce} trees at once are`} ready, times that of git worktree add`;
  checks.push({ what, value: times.median, target, mustReach, higherIsBetter: false });
  figures[atOnce] = {
    times,
    milliseconds: measured.ours.map(msOf),
    floorMilliseconds: measured.floor.map(msOf),
  };
}

try {
  makeProject();
  mkdirSync(data);
  // A project is recorded in full once only, before its first run.
  const begun = performance.now();
  await recordTree({ project, gitFolder: treeFolder(data, project) });
  figures['firstRecordMs'] = performance.now() - begun;
  // It copies the history, since nothing that a run does may reach the repository it came from, and brings the
  // dependencies, without which nothing can be built in it.
  await measure(1, 4, 10);
  await measure(20, 4, 10);
} finally {
  rmSync(folder, { recursive: true });
}
report({ name: 'own-tree', checks, figures });
