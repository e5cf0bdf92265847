// Which executor gets a task. Pure: the same task and the same executors have the same answer.
import type { Priority } from '../contracts/run.ts';

export interface Candidate {
  id: string;
  name: string;
  capabilities: readonly string[];
  /** How many tasks it has, and how many it takes at once. */
  load: number;
  places: number;
  state: 'available' | 'busy' | 'draining' | 'offline';
  /** Its machine is not the server's: it takes only what asks for one of its labels or for it. */
  apart?: boolean;
}

export interface Wanting {
  priority: Priority;
  labels: readonly string[];
  /** The name or id of the one that it needs. */
  executor?: string | null | undefined;
  /** What it works with is on the machine of the server. */
  atHome?: boolean;
}

export type Routed =
  | { executor: Candidate }
  /** None fits. `words`: the nearest miss, for people. */
  | { executor: undefined; code: 'NoEligibleExecutor'; words: string };

/**
 * One that has all its labels as capabilities, is live and has room: the least loaded in proportion to its places. A
 * critical one goes where the fewest are at work, however small that executor is. Among equals the smallest id.
 */
export function route(task: Wanting, executors: readonly Candidate[]): Routed {
  const weigh = ({ load, places }: Candidate): number =>
    task.priority === 'critical' ? load : load / places;
  const [executor] = executors
    .filter((each) => missOf(task, each) === undefined)
    .sort((one, other) => weigh(one) - weigh(other) || (one.id < other.id ? -1 : 1));
  if (executor) return { executor };
  return { executor: undefined, code: 'NoEligibleExecutor', words: nearestMiss(task, executors) };
}

interface Miss {
  /** How far from fitting: one that is only full is nearer than one that lacks a label. */
  distance: number;
  words: string;
}

function missOf({ labels, executor: needed, atHome }: Wanting, executor: Candidate): Miss | undefined {
  const { id, name, capabilities, load, places, state, apart = false } = executor;
  if (needed != null && needed !== name && needed !== id)
    return { distance: 1000, words: `it needs ${needed}, which is not registered` };
  if (apart && labels.length === 0 && needed == null)
    return { distance: 999, words: `${name} has a machine of its own, and takes only what asks for it` };
  if (apart && atHome)
    return { distance: 999, words: `${name} has a machine of its own, and it needs that of the server` };
  const missing = labels.filter((label) => !capabilities.includes(label));
  if (missing.length > 0)
    return { distance: 3 + missing.length, words: `the nearest, ${name}, lacks ${missing.join(', ')}` };
  if (state === 'offline') return { distance: 3, words: `${name}, which could take it, is offline` };
  if (state === 'draining') return { distance: 2, words: `${name}, which could take it, takes no more` };
  if (load >= places)
    return { distance: 1, words: `${name}, which could take it, is full with ${load} of ${places}` };
  return undefined;
}

function nearestMiss(task: Wanting, executors: readonly Candidate[]): string {
  const misses = executors.flatMap((each) => {
    const miss = missOf(task, each);
    return miss ? [{ ...miss, id: each.id }] : [];
  });
  const [nearest] = misses.sort(
    (one, other) => one.distance - other.distance || (one.id < other.id ? -1 : 1),
  );
  return nearest ? `No executor fits: ${nearest.words}.` : 'No executor is registered.';
}
