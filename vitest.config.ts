// The tiers as vitest projects; test/run.ts decides which of them this machine can run.
import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './test/order.ts';
import { faults, type Tier, tiers } from './test/tiers.ts';

if (Number(process.versions.node.split('.')[0]) < 24) {
  throw new Error(
    `The tests run on the pinned Node 24, this is ${process.version}: use "npm test" or "npx vitest run FILE".`,
  );
}

// Started once for all tiers that name them, by the first one that runs.
const setUps = { postgres: 'test/support/global-postgres.ts', temporal: 'test/support/global-temporal.ts' };

function globalSetup(tier: Tier): string[] {
  return Object.entries(setUps).flatMap(([need, file]) =>
    tier.needs.some((each) => each === need) ? file : [],
  );
}

export default defineConfig({
  test: {
    tags: [faults],
    // Processes, not threads: leak checks look at a process.
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    coverage: {
      provider: 'v8',
      include: ['{workflows,activities,api,worker}/**/*.ts'],
      exclude: ['activities/store/db/tables.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: 'coverage',
    },
    projects: tiers.map((tier) => ({
      extends: true as const,
      test: {
        name: tier.name,
        include: tier.include,
        exclude: [...configDefaults.exclude, ...tier.exclude],
        globalSetup: globalSetup(tier),
        setupFiles: ['test/support/environment.ts', 'test/support/leaks.ts'],
        sequence: { groupOrder: tier.group },
        // The machines this runs on have two cores; of three files one waits, for a server, a timer or a process.
        maxWorkers: tier.atOnce,
        fileParallelism: tier.atOnce > 1,
        // Most of what a quick file takes is loading the product: files one after the other share what is loaded. Where
        // processes are killed, each file has one of its own.
        isolate: tier.slow,
        // Far above what any test takes, so that few name a limit of their own: a loaded machine needs five times as
        // long as an idle one, and only a hang should end here.
        testTimeout: 180_000,
        hookTimeout: 180_000,
        // Below what a test has, so that the wait says what it waited for; vitest's own second is over before a loaded
        // machine has called a model.
        expect: { poll: { timeout: 60_000 } },
      },
    })),
  },
});
