// `npm run chaos -- --programs N --seed S [--kills K]`: plays random programs while the platform is killed around
// them, prints every figure, and ends with 1 when an invariant did not hold.
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { describeResult } from './describe-result.ts';

const { values } = parseArgs({
  options: {
    programs: { type: 'string', default: '100' },
    seed: { type: 'string' },
    kills: { type: 'string' },
    'at-once': { type: 'string' },
  },
});

const programs = Number(values.programs);
// As many for each program as in the suite.
const kills = Number(values.kills ?? Math.ceil(programs * 0.6));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const started = performance.now();
process.stdout.write(`chaos with seed ${seed}\n`);
const result = await runChaos({
  seed,
  programs,
  kills,
  ...(values['at-once'] === undefined ? {} : { atOnce: Number(values['at-once']) }),
  say: (line) => process.stdout.write(`${Math.round((performance.now() - started) / 1000)} s  ${line}\n`),
});
process.stdout.write(`${describeResult(result)}\n`);
process.exitCode = result.violations.length === 0 ? 0 : 1;
