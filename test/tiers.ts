// The tiers of tests: where their files are and what of the machine they need.
// A file's place says its tier; an ending (.replay, .temporal, .docker, .browser, .disk) says so where the place does not.

export type Need = 'postgres' | 'temporal' | 'docker' | 'chromium' | 'mount' | 'bubblewrap';

export interface Tier {
  name: string;
  include: string[];
  exclude: string[];
  needs: Need[];
  /** Tiers of a later group wait for the earlier ones. */
  group: number;
  /** How many files run beside each other; the same in a group. */
  atOnce: number;
  /** Its tests start and kill whole processes, and wait for what comes of it: each file has a process of its own. */
  slow: boolean;
}

const byEnding = [
  '**/*.replay.test.ts',
  '**/*.temporal.test.ts',
  '**/*.docker.test.ts',
  '**/*.browser.test.ts',
  '**/*.disk.test.ts',
];

/** What takes long and shows a guarantee once more: left out of `npm test`, and run by `npm test -- --faults`. */
export const faults = {
  name: 'faults',
  description: 'shows once more, or at every point, what a quicker test shows once',
};

function tier(name: string, include: string[], rest: Partial<Omit<Tier, 'name' | 'include'>> = {}): Tier {
  return { name, include, exclude: byEnding, needs: [], group: 0, atOnce: 3, slow: false, ...rest };
}

/** Nothing else runs beside them. */
const alone = ['test/e2e/faults-chaos.test.ts', 'test/e2e/orphans.test.ts'];

const wholeProcesses = { group: 2, slow: true };

export const tiers: readonly Tier[] = [
  tier('rules', ['test/rules/**/*.test.ts']),
  tier('pure', ['test/workflows/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/bench/**/*.test.ts']),
  tier('activities', ['test/activities/**/*.test.ts'], {
    exclude: [...byEnding, 'test/activities/store/**', 'test/activities/sandbox/bubblewrap/**'],
    needs: ['postgres'],
  }),
  tier('bubblewrap', ['test/activities/sandbox/bubblewrap/**/*.test.ts'], { needs: ['bubblewrap'] }),
  tier('store', ['test/activities/store/**/*.test.ts', 'test/support/**/*.test.ts'], { needs: ['postgres'] }),
  tier('api', ['test/api/**/*.test.ts'], { needs: ['postgres'] }),
  tier('replay', ['test/**/*.replay.test.ts'], { exclude: [] }),
  tier('temporal', ['test/**/*.temporal.test.ts'], { exclude: [], needs: ['postgres', 'temporal'] }),
  tier('sandbox', ['test/**/*.docker.test.ts'], {
    exclude: [],
    needs: ['docker', 'postgres', 'temporal'],
    group: 1,
    atOnce: 1,
    slow: true,
  }),
  tier('worker', ['test/worker/**/*.test.ts'], { needs: ['postgres', 'temporal'], ...wholeProcesses }),
  tier('e2e', ['test/e2e/**/*.test.ts'], {
    exclude: [...byEnding, ...alone],
    needs: ['postgres', 'temporal'],
    ...wholeProcesses,
  }),
  // A file system of a few hundred megabytes, which only root may mount.
  tier('disk', ['test/**/*.disk.test.ts'], {
    exclude: [],
    needs: ['postgres', 'temporal', 'mount'],
    ...wholeProcesses,
  }),
  tier('browser', ['test/**/*.browser.test.ts'], {
    exclude: [],
    needs: ['postgres', 'temporal', 'chromium'],
    ...wholeProcesses,
  }),
  // Chaos keeps two processors busy by itself. Beside other files a run may have to wait for one fault after the other for
  // longer than it may go without progress. What a dead worker has left is ended by the next worker of any file.
  tier('chaos', alone, { needs: ['postgres', 'temporal'], ...wholeProcesses, group: 3, atOnce: 1 }),
];

/**
 * The files that take longest, longest first, where no run has measured them yet. Begun last, such a file would run
 * by itself while the other half of the machine has nothing left to do.
 */
export const longFiles: readonly string[] = [
  'test/workflows/takeover.temporal.test.ts',
  'test/rules/how-to-add/how-to-add.test.ts',
  'test/workflows/allowances.temporal.test.ts',
  'test/workflows/steer.temporal.test.ts',
  'test/api/stream/event-stream.test.ts',
  'test/activities/sandbox/mount/mount.test.ts',
  'test/e2e/faults-silence.test.ts',
  'test/e2e/faults-platform.test.ts',
  'test/worker/serve.test.ts',
  'test/e2e/faults-approvals.test.ts',
  'test/e2e/faults-money.test.ts',
  'test/e2e/injection.test.ts',
  'test/e2e/faults-temporal.test.ts',
  'test/e2e/faults-postgres.test.ts',
  'test/e2e/readme.test.ts',
  'test/worker/serve-start.test.ts',
  'test/e2e/faults-standstill.test.ts',
];
