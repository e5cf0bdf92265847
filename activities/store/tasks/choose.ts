// Where a waiting task may go now, or what it waits for. What has refused a task is known by a name, so that all that
// meet the same are refused without being tried.
import type { TaskWait } from '../../../workflows/contracts/task-events.ts';
import { type Candidate, route } from '../../../workflows/tasks/route.ts';
import type { PoolName } from '../allowances/allowances.ts';
import { moneyProblems } from '../allowances/money-problem.ts';
import type { Queries } from '../db/database.ts';
import { wantedBy } from './claims.ts';
import type { TaskRow } from './task-row.ts';

/** Why nothing is begun there: by the name of a pool, or by what such a task asks for. */
export type Refusals = Map<string, TaskWait>;

/** Adds those of the pools that have nothing left. */
export async function addSpent(
  queries: Queries,
  pools: { tenantId: string; names: readonly PoolName[] },
  at: Date,
  refusals: Refusals,
): Promise<void> {
  for (const [name, reason] of await moneyProblems(queries, pools, at))
    refusals.set(name, { kind: 'no-allowance', reason });
}

type Choice = { executor: Candidate } | { executor: undefined; wait: TaskWait };

/** One that refuses it is passed over: as it begins nothing, it would stay the least loaded. */
export function choose(
  task: TaskRow,
  executors: readonly Candidate[],
  refusals: ReadonlyMap<string, TaskWait>,
): Choice {
  const wanted = wantedBy(task);
  const best = route(wanted, executors);
  if (!best.executor) return { executor: undefined, wait: { kind: 'no-executor', reason: best.words } };
  const asked = askedOf(task);
  const waitFor = (executor: Candidate): TaskWait | undefined =>
    [...poolsOf(task, executor), placeOf(asked, executor)]
      .map((name) => refusals.get(name))
      .find((wait) => wait !== undefined);
  const wait = waitFor(best.executor);
  if (!wait) return best;
  const other = route(
    wanted,
    executors.filter((each) => waitFor(each) === undefined),
  );
  return other.executor ? other : { executor: undefined, wait };
}

/** The pools that its run draws from wherever it goes. */
export function ownPools({ run: { owner } }: TaskRow): PoolName[] {
  return owner === undefined ? ['tenant'] : ['tenant', `owner/${owner}`];
}

export function poolOf({ name }: Candidate): PoolName {
  return `executor/${name}`;
}

export function poolsOf(task: TaskRow, executor: Candidate): PoolName[] {
  return [...ownPools(task), poolOf(executor)];
}

/** The name of all that would begin as it does: in the same directory and sandbox, after the same run. */
export function sameAs(task: TaskRow, executor: Candidate): string {
  return placeOf(askedOf(task), executor);
}

/** Without what decides no refusal that passes, or is the pools' to decide. */
function askedOf({ run }: TaskRow): string {
  return JSON.stringify({
    ...run,
    model: undefined,
    limits: undefined,
    metadata: undefined,
    owner: undefined,
  });
}

/** A machine of its own has other directories and sandboxes. */
function placeOf(asked: string, { apart, name }: Candidate): string {
  return `${apart ? name : ''} ${asked}`;
}
