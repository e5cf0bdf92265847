// What the arguments of a call are known by: approvals are bound to it, and remembered answers are for it alone.
import { createHash } from 'node:crypto';

/** The same for the same arguments in whatever order. `runs`: the text that runs in place of theirs. */
export function argumentsHash(input: unknown, runs?: string): string {
  const hash = createHash('sha256').update(JSON.stringify(input, (_, value: unknown) => inOrder(value)));
  // No arguments that fit hold a NUL.
  if (runs !== undefined) hash.update(`\0${runs}`);
  return hash.digest('hex');
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
