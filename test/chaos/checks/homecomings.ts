// Programs in hybrid: what they changed on their copy is at home when their last run has succeeded, and came there by a
// homecoming that was done once, with nothing kept back.
import type { Check, Evidence, Violation } from '../evidence.ts';
import type { Played } from '../player.ts';
import { allCalls } from '../program.ts';

export const checkHomecomings: Check = (evidence) => {
  const hybrid = evidence.played.filter(({ program }) => program.execMode === 'hybrid');
  const violations = hybrid.flatMap((played): Violation[] =>
    problemsOf(played, evidence).map((problem) => ({ invariant: 'I3', program: played.program.id, problem })),
  );
  return { violations, figures: { homecomings: evidence.homecomings.length } };
};

function problemsOf(
  { program, messages, home, folder }: Played,
  { runs, homecomings, files, atHome }: Evidence,
): string[] {
  const ids = messages.map(({ runId }) => runId);
  const problems = homecomings
    .filter(({ run_id }) => ids.includes(run_id))
    .filter(({ status, kept }) => status !== 'done' || ((kept as { count?: number }).count ?? 0) > 0)
    .map(({ run_id, status, problem }) => `what run ${run_id} changed came home as ${status}: ${problem}`);
  const last = runs.get([...ids].sort().at(-1) ?? '');
  if (last?.run.status !== 'succeeded') return problems;
  for (const { call } of allCalls(program)) {
    if (call.kind !== 'write' && call.kind !== 'edit') continue;
    const [there, here] = [files.get(`${folder}/${call.path}`), atHome.get(`${home}/${call.path}`)];
    if (there !== here)
      problems.push(
        `${call.path} is ${JSON.stringify(there)} on its copy and ${JSON.stringify(here)} at home`,
      );
  }
  return problems;
}
