// A workflow that only looks: an activity decides in rows, again when something has happened or it is time. It goes on as
// long as its row is there.
import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { wake } from './contracts/messages.ts';

interface Attended {
  /** There is nothing more to do. */
  done: boolean;
  /** Look again after so many milliseconds; absent: when woken. */
  againMs?: number;
}

// Seven events each with the timer: a history of 2,000, as of a run.
const mostLooks = 250;

export async function attendUntilDone<Input extends object>(
  input: Input,
  look: (input: Input & { executionId: string }) => Promise<Attended>,
): Promise<void> {
  const { firstExecutionRunId: executionId } = workflowInfo();
  let wakes = 0;
  setHandler(wake, () => {
    wakes += 1;
  });
  for (let looks = 0; looks < mostLooks && !workflowInfo().continueAsNewSuggested; looks += 1) {
    // A wake that comes while the activity is under way is of something it may not have seen.
    const seen = wakes;
    const { done, againMs } = await look({ ...input, executionId });
    if (done) return;
    if (againMs === undefined) await condition(() => wakes > seen);
    else if (againMs > 0) await condition(() => wakes > seen, againMs);
  }
  // The next begins with a look: no wake is lost in between.
  await continueAsNew<(input: Input) => Promise<void>>(input);
}
