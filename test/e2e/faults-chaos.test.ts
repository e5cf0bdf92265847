// Random programs against the whole product while some process of it is killed every few seconds, and the
// offline checker over all that was seen. `npm run chaos` does the same for as long as wanted.
import { expect, inject, test } from 'vitest';
import { runChaos } from '../chaos/chaos.ts';
import { describeResult } from '../chaos/describe-result.ts';
import { withFaults } from '../support/with-faults.ts';

// Four minutes on two free cores with `--faults`, half of one without.
const [programs, kills] = withFaults ? [100, 60] : [10, 5];
// This only ends a hang.
const longestMs = 1_200_000;

test(
  `${programs} random programs and ${kills} kills: nothing lost, doubled or out of order, and what is unknown is said to be unknown`,
  async () => {
    // Another one each day, so that the programs are not always the same, and the same again on the same day.
    const seed = Math.floor(Date.now() / 86_400_000);
    const result = await runChaos({ seed, programs, kills, cache: inject('bundles') });
    console.log(describeResult(result));
    expect(result.violations, describeResult(result)).toEqual([]);
    expect(result.programs).toBeGreaterThanOrEqual(programs);
    expect(result.kills).toBeGreaterThanOrEqual(kills);
  },
  longestMs,
);
