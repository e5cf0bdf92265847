// Answers that were not whole. Each is a step of its own with a note behind it that asks for the rest, so that the next
// step is an attempt with its own reservation and its own use; how many there are in a row is read from the messages.
import type { Insertable } from 'kysely';
import type { StopReason, Unfinished } from '../../../workflows/contracts/run.ts';
import type { Queries } from '../db/database.ts';
import type { Messages } from '../db/tables.ts';
import type { RunRow } from '../runs/runs.ts';

// Enough for a book in answers of the longest length, and for a long file where a server cuts at 2,000 tokens.
const mostInARow = 8;
// A model that says nothing when it is asked for the third time says nothing the fourth time either.
const mostSilent = 3;

const notes: Record<Unfinished, string> = {
  cut:
    'Your answer was cut: it had reached the longest length that an answer may have. What you wrote is kept. Go on exactly where ' +
    'it stopped: repeat nothing, and say nothing about the cut. A call whose arguments were not whole was not made: make ' +
    'it again with shorter arguments, in several calls if it must be.',
  empty:
    'Your answer was empty: it held neither text nor a call of a tool, and thoughts do not count. Think briefly, then ' +
    'answer, or call a tool.',
  paused: 'You paused. Go on from where you stopped.',
};

/** The note that asks for the rest of a step's answer, behind the results of its calls. */
export function askForRest(
  run: RunRow,
  {
    step,
    calls,
    unfinished,
  }: { step: number; calls: readonly unknown[]; unfinished?: Unfinished | undefined },
): Insertable<Messages>[] {
  if (unfinished === undefined) return [];
  const place = { run_id: run.id, tenant_id: run.tenant_id, step, phase: 2, position: calls.length };
  return [{ ...place, role: 'user', internal: true, text: notes[unfinished] }];
}

/** Whether the rest of a step's answer is asked for, and why it is not once that was of no use too often. */
export type Rest = { asked: false } | { asked: true; givenUp?: StopReason };

export async function restOf(queries: Queries, runId: string, step: number): Promise<Rest> {
  const latest = await queries
    .selectFrom('messages as answers')
    .leftJoin('messages as notes', (join) =>
      join
        .onRef('notes.run_id', '=', 'answers.run_id')
        .onRef('notes.step', '=', 'answers.step')
        .on('notes.phase', '=', 2)
        .on('notes.role', '=', 'user'),
    )
    .select(['answers.text', 'answers.calls', 'notes.step as unfinished'])
    .where('answers.run_id', '=', runId)
    .where('answers.phase', '=', 1)
    .where('answers.step', '<=', step)
    .orderBy('answers.step', 'desc')
    .limit(mostInARow)
    .execute();
  const unfinished = before(latest, (answer) => answer.unfinished === null);
  if (unfinished.length === 0) return { asked: false };
  const silent = before(unfinished, ({ text, calls }) => calls !== null || text.trim() !== '');
  if (silent.length >= mostSilent) return { asked: true, givenUp: 'answer_empty' };
  return unfinished.length >= mostInARow ? { asked: true, givenUp: 'answer_cut' } : { asked: true };
}

/** The items before the first that fits. */
function before<Item>(items: Item[], fits: (item: Item) => boolean): Item[] {
  const end = items.findIndex(fits);
  return end < 0 ? items : items.slice(0, end);
}
