// Every kind of execution there is. A new one is a file beside run-kind.ts, one beside run-upkeep.ts, and a line in each
// of the two lists here.
import type { Kind } from './kind.ts';
import { runKind } from './run-kind.ts';
import { createRunUpkeep, type RunUpkeepInput } from './run-upkeep.ts';
import type { Upkeep } from './upkeep.ts';

const byName = { run: runKind };

export const kinds: readonly Kind[] = Object.values(byName);

export function upkeepOf(input: RunUpkeepInput): readonly Upkeep[] {
  const upkeep: { [Name in keyof typeof byName]: Upkeep } = { run: createRunUpkeep(input) };
  return Object.values(upkeep);
}
