// `npm run chaos -- --programs N --seed S [--kills K] [--commands N] [--sandboxes]`: plays random programs while the
// platform is killed around them, with --sandboxes in each kind that this machine has, if it may on an engine of its own
// that is killed as well; and holds N decisions about shell commands against what a real shell runs. Prints every figure,
// and ends with 1 when an invariant did not hold.
import { parseArgs } from 'node:util';
import { fuzzCommands } from '../workflows/policy/fuzz/commands.ts';
import { runChaos } from './chaos.ts';
import { createOwnEngine, importSmallImage, ownEngineProblem } from '../support/own-engine.ts';
import { describeResult } from './describe-result.ts';

const { values } = parseArgs({
  options: {
    programs: { type: 'string', default: '100' },
    seed: { type: 'string' },
    kills: { type: 'string' },
    'at-once': { type: 'string' },
    commands: { type: 'string', default: '0' },
    sandboxes: { type: 'boolean', default: false },
  },
});

const programs = Number(values.programs);
// As many for each program as in the suite.
const kills = Number(values.kills ?? Math.ceil(programs * 0.6));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const started = performance.now();
process.stdout.write(`chaos with seed ${seed}\n`);

const decisions = Number(values.commands);
if (decisions > 0) {
  const { differences, ...figures } = fuzzCommands({ seed, until: (soFar) => soFar.decisions >= decisions });
  for (const difference of differences) process.stdout.write(`${JSON.stringify(difference)}\n`);
  process.stdout.write(`commands ${JSON.stringify({ ...figures, differences: differences.length })}\n`);
  if (differences.length > 0) process.exitCode = 1;
}

if (programs > 0) {
  const problem = ownEngineProblem();
  const engine = values.sandboxes && problem === undefined ? await createOwnEngine() : undefined;
  if (values.sandboxes && problem !== undefined) process.stdout.write(`no engine is killed: ${problem}\n`);
  await engine?.start();
  if (engine) await importSmallImage(engine, 'small');
  try {
    const result = await runChaos({
      seed,
      engine,
      programs,
      kills,
      sandboxes: values.sandboxes,
      ...(values['at-once'] === undefined ? {} : { atOnce: Number(values['at-once']) }),
      say: (line) => process.stdout.write(`${Math.round((performance.now() - started) / 1000)} s  ${line}\n`),
    });
    process.stdout.write(`${describeResult(result)}\n`);
    if (result.violations.length > 0) process.exitCode = 1;
  } finally {
    await engine?.remove();
  }
}
