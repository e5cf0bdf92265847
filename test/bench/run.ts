// `npm run bench [name …] [--pairs N] [--seconds S] [--trace]`: each benchmark in a process of its own, so that none
// measures what another left behind. Exits 1 when one falls below what it must reach.
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

const notBenchmarks = ['run.ts'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    // Six pairs are the fewest whose median says something on a noisy machine.
    pairs: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '20' },
    // Where the time to a first token goes: `start` says it.
    trace: { type: 'boolean', default: false },
  },
});

const files = (await readdir(import.meta.dirname)).filter(
  (name) => name.endsWith('.ts') && !notBenchmarks.includes(name),
);
const known = files.map((name) => path.basename(name, '.ts')).sort();
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark ${unknown.join(', ')}. There are: ${known.join(', ')}.\n`);
  process.exit(2);
}

const given = ['--pairs', values.pairs, '--seconds', values.seconds, ...(values.trace ? ['--trace'] : [])];
const failed: string[] = [];
for (const name of positionals.length > 0 ? positionals : known) {
  const code = await run(path.join(import.meta.dirname, `${name}.ts`));
  if (code !== 0) failed.push(name);
}
if (failed.length > 0) process.stderr.write(`Below what they must reach, or broken: ${failed.join(', ')}.\n`);
process.exit(failed.length > 0 ? 1 : 0);

function run(file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...given], {
      stdio: 'inherit',
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });
}
