// `npm test`: runs every tier this machine can run, and says by name which it cannot and why.
// Usage: test/run.ts [--faults] [--tier NAME]… [--coverage] [what vitest takes: files, -t PATTERN, …]
// --faults runs the long tests too; naming files or a pattern runs all that is in them.
// PERDURE_TEST_TIERS=NAME,… says the same as --tier, for scripts that cannot change the command line.
import { createVitest, parseCLI, type Vitest } from 'vitest/node';
import { needProblem } from './machine.ts';
import { faults, type Need, type Tier, tiers } from './tiers.ts';

interface Left {
  tier: Tier;
  need: Need;
  problem: string;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const needs: readonly Need[] = ['postgres', 'temporal', 'docker', 'chromium', 'mount', 'bubblewrap'];

class UsageError extends Error {}

interface Asked {
  chosen: readonly Tier[];
  withFaults: boolean;
  rest: string[];
}

function readArguments(args: string[]): Asked {
  const names = (process.env.PERDURE_TEST_TIERS ?? '').split(',').filter(Boolean);
  const rest: string[] = [];
  let withFaults = false;
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--tier') names.push(args[(at += 1)] ?? '');
    else if (args[at] === '--faults') withFaults = true;
    // Alone it would take the file behind it for its value.
    else if (args[at] === '-u' || args[at] === '--update') rest.push('--update=all');
    else rest.push(args[at] as string);
  }
  const known = tiers.map((tier) => tier.name);
  const strange = names.filter((name) => !known.includes(name));
  if (strange.length > 0) {
    throw new UsageError(`There is no tier "${strange.join('", "')}"; the tiers are ${known.join(', ')}.`);
  }
  const chosen = names.length > 0 ? tiers.filter((tier) => names.includes(tier.name)) : tiers;
  return { chosen, withFaults, rest };
}

function requiredNeeds(): Need[] {
  const names = (process.env.PERDURE_REQUIRE ?? '').split(',').filter(Boolean);
  const strange = names.filter((name) => !needs.some((need) => need === name));
  if (strange.length > 0) {
    throw new UsageError(
      `PERDURE_REQUIRE names "${strange.join('", "')}"; it can name ${needs.join(', ')}, with commas between.`,
    );
  }
  return needs.filter((need) => names.includes(need));
}

async function sortOut(chosen: readonly Tier[]): Promise<{ runnable: Tier[]; left: Left[] }> {
  const problems = new Map<Need, string | undefined>();
  for (const need of new Set(chosen.flatMap((tier) => tier.needs)))
    problems.set(need, await needProblem(need));
  const left = chosen.flatMap((tier) => {
    const need = tier.needs.find((each) => problems.get(each) !== undefined);
    return need === undefined ? [] : [{ tier, need, problem: problems.get(need) ?? '' }];
  });
  return { runnable: chosen.filter((tier) => !left.some((each) => each.tier === tier)), left };
}

function count(vitest: Vitest, leavesFaults: boolean): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of vitest.state.getTestModules()) {
    const before = counts.failed;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') counts.failed += 1;
      else if (!leavesFaults || !test.tags.includes(faults.name)) counts.skipped += 1;
    }
    // A file that does not load, or whose hooks fail, may hold no failed test.
    if (module.state() === 'failed' && counts.failed === before) counts.failed += 1;
  }
  counts.failed += vitest.state.getUnhandledErrors().length;
  return counts;
}

async function runVitest(runnable: Tier[], { withFaults, rest }: Asked): Promise<Counts> {
  if (runnable.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  const { filter, options } = parseCLI(['vitest', 'run', ...rest]);
  const project = runnable.map((tier) => tier.name);
  const isNamed = filter.length > 0 || options.testNamePattern !== undefined;
  const leavesFaults = !withFaults && !isNamed;
  const fixed = { watch: false, run: true, project, passWithNoTests: true };
  const vitest = await createVitest({
    ...options,
    ...fixed,
    ...(leavesFaults && { tagsFilter: [`!${faults.name}`] }),
  });
  const stop = () => void vitest.close().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    await vitest.start(filter).catch((error: { code?: string }) => {
      if (error.code !== 'VITEST_FILES_NOT_FOUND') throw error;
      throw new UsageError(`No test file fits ${filter.join(', ')} in these tiers: ${project.join(', ')}.`);
    });
    if (leavesFaults) console.log('Not run: the long tests, which --faults adds.');
    return count(vitest, leavesFaults);
  } finally {
    await vitest.close();
  }
}

async function main(): Promise<number> {
  const asked = readArguments(process.argv.slice(2));
  const required = requiredNeeds();
  const { runnable, left } = await sortOut(asked.chosen);
  const counts = await runVitest(runnable, asked);
  for (const { tier, need, problem } of left) {
    const isRequired = required.includes(need);
    if (isRequired) counts.failed += 1;
    console.log(`${isRequired ? 'FAILED' : 'Not run:'} tier ${tier.name} needs ${need}: ${problem}`);
  }
  if (counts.passed + counts.failed === 0) {
    console.log('No test ran: name files or tiers that exist.');
    counts.failed += 1;
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  return counts.failed === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exit(2);
}
