// A file of the project that a person put into a message. It is theirs to name; what policy denies to the run stays denied.
import { Readable } from 'node:stream';
import { mediaTypeOf } from '../../workflows/contracts/media-types.ts';
import { evaluate } from '../../workflows/policy/evaluate.ts';
import { createPathCheck } from '../../workflows/policy/path-check.ts';
import { reviewContextOf } from '../call/review.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Downloaded, Take } from '../egress/download.ts';
import { SandboxRefusal } from '../sandbox/sandbox.ts';
import type { RunRow } from '../store/runs/runs.ts';

// As much as says whether it is text.
const startBytes = 4096;

export async function readOfProject<Taken>(
  deps: ActivityDeps,
  run: RunRow,
  { path, most, take }: { path: string; most: number; take: Take<Taken> },
): Promise<Downloaded<Taken>> {
  if (run.executor !== deps.machine)
    return { problem: `It is on ${run.executor ?? 'the server'}: have the agent read it there.` };
  // Before its start is recorded, a tree of its own may not be there yet.
  const root = run.start_tree === null ? run.project_path : deps.place(run);
  if (root === null) return { problem: 'The run has no project.' };
  const context = await reviewContextOf({ ...deps, db: deps.log.db }, run);
  const wanted = { tool: 'read', effect: 'read', subject: path, subjectKind: 'path' } as const;
  const decided = evaluate(context.scopes, wanted, context);
  if (decided.original === 'deny')
    return { problem: `Policy denies it (${decided.ruleText}): ${decided.reason}.` };
  try {
    const mayUse = createPathCheck(context.scopes, wanted, context);
    const bytes = await deps.withFiles(root, mayUse, (files) => files.read(path, most));
    if (bytes === undefined) return { problem: `There is no file ${path} in ${root}.` };
    return { taken: await take(mediaTypeOf(path, bytes.subarray(0, startBytes)), Readable.from([bytes])) };
  } catch (error) {
    if (error instanceof SandboxRefusal) return { problem: error.message };
    throw error;
  }
}
