// The tiers of tests: where their files are and what of the machine they need.
// A file's place says its tier; an ending (.replay, .temporal, .docker, .browser) says so where the place does not.

export type Need = 'postgres' | 'temporal' | 'docker' | 'chromium';

export interface Tier {
  name: string;
  include: string[];
  exclude: string[];
  needs: Need[];
  /** Tiers of a later group wait for the earlier ones. */
  group: number;
  /** One file at a time: its processes fill the machine, or its faults would reach a neighbour. */
  alone: boolean;
}

const byEnding = [
  '**/*.replay.test.ts',
  '**/*.temporal.test.ts',
  '**/*.docker.test.ts',
  '**/*.browser.test.ts',
];

function tier(name: string, include: string[], rest: Partial<Omit<Tier, 'name' | 'include'>> = {}): Tier {
  return { name, include, exclude: byEnding, needs: [], group: 0, alone: false, ...rest };
}

export const tiers: readonly Tier[] = [
  tier('rules', ['test/rules/**/*.test.ts']),
  tier('pure', ['test/workflows/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/bench/**/*.test.ts']),
  tier('activities', ['test/activities/**/*.test.ts'], {
    exclude: [...byEnding, 'test/activities/store/**'],
    needs: ['postgres'],
  }),
  tier('store', ['test/activities/store/**/*.test.ts', 'test/support/**/*.test.ts'], { needs: ['postgres'] }),
  tier('api', ['test/api/**/*.test.ts'], { needs: ['postgres'] }),
  tier('replay', ['test/**/*.replay.test.ts'], { exclude: [] }),
  tier('temporal', ['test/**/*.temporal.test.ts'], {
    exclude: [],
    needs: ['postgres', 'temporal'],
    group: 1,
  }),
  tier('sandbox', ['test/**/*.docker.test.ts'], { exclude: [], needs: ['docker'], group: 2, alone: true }),
  tier('worker', ['test/worker/**/*.test.ts'], { needs: ['postgres', 'temporal'], group: 3, alone: true }),
  tier('e2e', ['test/e2e/**/*.test.ts'], { needs: ['postgres', 'temporal'], group: 4, alone: true }),
  tier('browser', ['test/**/*.browser.test.ts'], {
    exclude: [],
    needs: ['postgres', 'temporal', 'chromium'],
    group: 5,
    alone: true,
  }),
];
