import { expect, test } from 'vitest';
import { withFaults } from '../../support/with-faults.ts';
import { canFuzz, compareTexts, fuzzCommands } from './fuzz/commands.ts';
import { knownHoles } from './fuzz/known-holes.ts';

// Long enough to meet every piece many times, short enough for each run of the suite.
const fuzzMs = withFaults ? 60_000 : 5_000;
// A batch that was begun is gone on with, which takes a loaded machine long.
const timeout = fuzzMs + 180_000;

test.skipIf(!canFuzz)(
  'what a profile allows runs exactly what was judged in a real shell',
  () => {
    // Always the same here; `npm run chaos -- --commands N` takes others.
    const seed = 20261129;
    const end = Date.now() + fuzzMs;
    const result = fuzzCommands({ seed, until: () => Date.now() > end });
    const { decisions, allowed, ran, told, differences } = result;
    console.log(
      `Fuzzed commands with seed ${seed}: ${decisions} decisions, ${allowed} texts allowed, ${ran} run.`,
    );
    expect({ seed, differences }).toEqual({ seed, differences: [] });
    expect(Math.min(ran, told)).toBeGreaterThan(0);
  },
  timeout,
);

test.skipIf(!canFuzz)(
  'with the model’s own text by the word of another parser, the same comparison finds what was open',
  { tags: ['faults'], timeout },
  () => {
    // The others start nothing that was not judged; which of two strangers is named depends on which was quicker.
    expect(compareTexts(knownHoles)).toHaveLength(18);
    const result = fuzzCommands({
      seed: 1,
      corpus: [],
      form: 'own',
      until: ({ decisions }) => decisions >= 2000,
    });
    expect(result.differences.length).toBeGreaterThan(0);
  },
);
