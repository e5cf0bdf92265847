// Compares judged commands with real shells for as many decisions as wanted, and prints every difference as it is found.
// Usage: node worker/perdure.mjs run-script test/workflows/policy/fuzz/run.ts [--decisions N] [--seconds N] [--seed N]
//   [--run-one-in N] [--form written|own]
import { parseArgs } from 'node:util';
import { fuzzCommands } from './commands.ts';

const { values } = parseArgs({
  options: {
    decisions: { type: 'string', default: 'Infinity' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'run-one-in': { type: 'string', default: '1' },
    form: { type: 'string', default: 'written' },
  },
});

const begin = performance.now();
const secondsSoFar = () => (performance.now() - begin) / 1000;
// Often enough to see that it goes on.
const reportSeconds = 20;
let reported = 0;
let told = 0;

const { differences, ...result } = fuzzCommands({
  seed: Number(values.seed),
  runOneIn: Number(values['run-one-in']),
  form: values.form === 'own' ? 'own' : 'written',
  until(soFar) {
    for (const difference of soFar.differences.slice(told)) console.log(JSON.stringify(difference));
    told = soFar.differences.length;
    if (secondsSoFar() - reported > reportSeconds) {
      reported = secondsSoFar();
      console.log(
        `${Math.round(reported)} s: ${soFar.decisions} decisions, ${soFar.ran} run, ${told} differences`,
      );
    }
    return soFar.decisions >= Number(values.decisions) || secondsSoFar() > Number(values.seconds);
  },
});
for (const difference of differences.slice(told)) console.log(JSON.stringify(difference));
const perSecond = Math.round(result.decisions / secondsSoFar());
const cpuSeconds = process.cpuUsage().user / 1e6;
console.log(JSON.stringify({ ...result, differences: differences.length, perSecond, cpuSeconds }));
process.exitCode = differences.length === 0 ? 0 : 1;
