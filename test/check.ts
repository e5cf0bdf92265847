// `npm run check`: everything that can be told without running the product. Says what is wrong and where.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { lintDescription } from './lint-description.ts';
import { cruiseImports } from './rules/cruise.ts';

const root = path.join(import.meta.dirname, '..');

interface Verdict {
  ok: boolean;
  output: string;
}

interface Check {
  name: string;
  run: () => Promise<Verdict>;
}

/** A tool of node_modules, run with this very Node, not with whichever is first on PATH. */
function tool(script: string, ...args: string[]): () => Promise<Verdict> {
  return () =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [path.join(root, 'node_modules', script), ...args], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.once('error', reject);
      child.once('close', (code) =>
        resolve({ ok: code === 0, output: Buffer.concat(chunks).toString('utf8') }),
      );
    });
}

async function imports(): Promise<Verdict> {
  const { modules, problems } = await cruiseImports(root);
  if (modules === 0) return { ok: false, output: 'The import checker saw no module, so it proves nothing.' };
  return { ok: problems.length === 0, output: problems.join('\n') };
}

async function description(): Promise<Verdict> {
  const problems = await lintDescription();
  return { ok: problems.length === 0, output: problems.join('\n') };
}

// The longest first: two at a time, they end together.
const checks: Check[] = [
  {
    name: 'types',
    run: tool(
      'typescript/bin/tsc',
      '--noEmit',
      '--incremental',
      '--tsBuildInfoFile',
      'node_modules/.cache/perdure/types.tsbuildinfo',
      '-p',
      '.',
    ),
  },
  { name: 'lint', run: tool('oxlint/bin/oxlint', '--type-aware', '--deny-warnings') },
  {
    name: 'dead code',
    run: tool('knip/bin/knip.js', '-c', 'test/knip.json', '--no-progress', '--no-config-hints'),
  },
  { name: 'imports', run: imports },
  { name: "the API's description", run: description },
  { name: 'format', run: tool('@biomejs/biome/bin/biome', 'format', '.') },
];

async function runChecks(): Promise<boolean> {
  const waiting = [...checks];
  const failed: string[] = [];
  const worker = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const started = performance.now();
      const { ok, output } = await check.run();
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      console.log(`${ok ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)`);
      if (!ok) {
        failed.push(check.name);
        console.log(output.trimEnd());
      }
    }
  };
  // The machines this runs on have two cores.
  await Promise.all([worker(), worker()]);
  console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
  return failed.length === 0;
}

process.exitCode = (await runChecks()) ? 0 : 1;
