// What a person is told while a part of a start takes long.
import type { Chores } from '../chores.ts';

// The API and the worker are there within three seconds, a first start's worker within eight, a database in less; past
// this a person wants to know what is missing.
const slowMs = 15_000;

/** Says the sentence, as it is by then, where the work is not done soon. */
export async function orTell<Result>(
  { chores, say }: { chores: Chores; say(line: string): void },
  work: Promise<Result>,
  sentence: () => string,
): Promise<Result> {
  const slow = setTimeout(() => chores.run('saying what is slow', () => say(sentence())), slowMs);
  slow.unref();
  try {
    return await work;
  } finally {
    clearTimeout(slow);
  }
}
