// Random programs whose commands run in each kind of sandbox, while processes of the platform and the engine of its
// containers are killed. `npm run chaos -- --sandboxes` does the same for as long as wanted.
import { expect, inject, onTestFinished, test } from 'vitest';
import { runChaos } from '../chaos/chaos.ts';
import { describeResult } from '../chaos/describe-result.ts';
import { createOwnEngine, importSmallImage, ownEngineProblem } from '../support/own-engine.ts';

// Two minutes on two free cores.
const [programs, kills] = [24, 16];
// This only ends a hang.
const longestMs = 900_000;

test.skipIf(ownEngineProblem() !== undefined)(
  `${programs} random programs in sandboxes and ${kills} kills, the engine among them: nothing runs twice, what is unknown is said to be unknown, and nothing is left of containers`,
  { tags: ['faults'], timeout: longestMs },
  async () => {
    const engine = await createOwnEngine();
    onTestFinished(() => engine.remove());
    await engine.start();
    await importSmallImage(engine, 'small');
    // Another one each day, and the same again on the same day.
    const seed = Math.floor(Date.now() / 86_400_000);
    const result = await runChaos({
      ...{ seed, programs, kills, engine, sandboxes: true, atOnce: 8, cache: inject('bundles') },
    });
    console.log(describeResult(result));
    expect(result.violations, describeResult(result)).toEqual([]);
    expect(result.kills).toBeGreaterThanOrEqual(kills);
    expect(result.figures['kinds of sandboxes']).toMatch('sandbox');
  },
);
