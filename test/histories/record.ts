// `node test/histories/record.ts [FILE…]`: runs the temporal tests of the workflows once and keeps, beside this file, the
// shortest history of every path that is not kept yet. By hand, when a path is new; what is kept is never recorded again.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathOf } from './path.ts';

const root = path.join(import.meta.dirname, '../..');
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');

async function historiesIn(folder: string): Promise<{ name: string; history: string }[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => ({ name, history: await readFile(path.join(folder, name), 'utf8') })),
  );
}

const recorded = await mkdtemp(path.join(tmpdir(), 'perdure-histories-'));
// Each test once: with every workflow task a replay they take the same paths.
const which = ['--project', 'temporal', '--testNamePattern', 'workflows cached'];
const files = process.argv.length > 2 ? process.argv.slice(2) : ['test/workflows'];
const tests = spawn(process.execPath, [vitest, 'run', ...which, ...files], {
  cwd: root,
  env: { ...process.env, HISTORIES_FOLDER: recorded },
  stdio: 'inherit',
});
const code = await new Promise<number | null>((resolve) => tests.on('exit', resolve));
const kept = await historiesIn(import.meta.dirname);
const names = new Set(kept.map(({ name }) => name));
const paths = new Set(kept.map(({ history }) => pathOf(history)));
const shortestFirst = (await historiesIn(recorded)).sort((one, other) => one.history.length - other.history.length);
for (const { name, history } of shortestFirst) {
  const taken = pathOf(history);
  if (paths.has(taken)) continue;
  let file = name;
  for (let number = 2; names.has(file); number += 1) file = name.replace(/(-\d+)?\.json$/, `-${number}.json`);
  paths.add(taken);
  names.add(file);
  await writeFile(path.join(import.meta.dirname, file), history);
}
await rm(recorded, { recursive: true });
process.exit(code ?? 1);
