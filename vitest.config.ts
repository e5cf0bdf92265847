// The tiers as vitest projects. What a tier needs is started by its global set-up; test/run.ts decides which can run.
import { configDefaults, defineConfig } from 'vitest/config';

if (Number(process.versions.node.split('.')[0]) < 24) {
  throw new Error(
    `The tests run on the pinned Node 24, this is ${process.version}. Use "npm test" or "npx vitest run FILE".`,
  );
}

const postgres = 'test/support/global-postgres.ts';
const temporal = 'test/support/global-temporal.ts';

interface Tier {
  name: string;
  include: string[];
  exclude?: string[];
  globalSetup?: string[];
  /** Tiers of a later group wait for the earlier ones. */
  group?: number;
  /** One file at a time: for tests whose processes fill the machine or whose faults would reach their neighbours. */
  alone?: boolean;
}

const tiers: Tier[] = [
  { name: 'rules', include: ['test/rules/**/*.test.ts'] },
  {
    name: 'pure',
    include: ['test/workflows/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/bench/**/*.test.ts'],
    exclude: ['**/*.replay.test.ts', '**/*.temporal.test.ts'],
  },
  {
    name: 'activities',
    include: ['test/activities/**/*.test.ts'],
    exclude: ['test/activities/store/**', '**/*.temporal.test.ts', '**/*.docker.test.ts'],
    globalSetup: [postgres],
  },
  {
    name: 'store',
    include: ['test/activities/store/**/*.test.ts', 'test/support/*.test.ts'],
    exclude: ['**/*.temporal.test.ts'],
    globalSetup: [postgres],
  },
  {
    name: 'api',
    include: ['test/api/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts'],
    globalSetup: [postgres],
  },
  { name: 'replay', include: ['test/**/*.replay.test.ts'] },
  { name: 'temporal', include: ['test/**/*.temporal.test.ts'], globalSetup: [postgres, temporal], group: 1 },
  { name: 'sandbox', include: ['test/activities/**/*.docker.test.ts'], group: 1, alone: true },
  {
    name: 'worker',
    include: ['test/worker/**/*.test.ts'],
    exclude: ['**/*.temporal.test.ts'],
    group: 2,
    alone: true,
  },
  { name: 'e2e', include: ['test/e2e/**/*.test.ts', 'test/**/*.browser.test.ts'], group: 3, alone: true },
];

export default defineConfig({
  test: {
    // Each file in a process of its own: leak checks look at that process, and a fault ends no neighbour.
    pool: 'forks',
    // The shared machines have two cores; a third file would only make the others' deadlines tight.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['workflows/**/*.ts', 'activities/**/*.ts', 'api/**/*.ts', 'worker/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: 'coverage',
    },
    projects: tiers.map((tier) => ({
      extends: true as const,
      test: {
        name: tier.name,
        include: tier.include,
        exclude: [...configDefaults.exclude, ...(tier.exclude ?? [])],
        globalSetup: tier.globalSetup ?? [],
        setupFiles: ['test/support/leaks.ts'],
        sequence: { groupOrder: tier.group ?? 0 },
        ...(tier.alone ? { maxWorkers: 1, fileParallelism: false } : {}),
        // Generous: on a loaded machine a real database or server takes seconds, and a hang is told by name.
        testTimeout: tier.alone ? 180_000 : 30_000,
        hookTimeout: tier.alone ? 180_000 : 60_000,
      },
    })),
  },
});
