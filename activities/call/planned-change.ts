// What a call that is asked about would change, as a person reads it: a unified diff against the files as they are now.
import { isUtf8 } from 'node:buffer';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { createPathCheck } from '../../workflows/policy/path-check.ts';
import type { ActivityDeps } from '../deps.ts';
import { SandboxRefusal } from '../sandbox/sandbox.ts';
import type { CallRow } from '../store/calls/calls.ts';
import type { RunRow } from '../store/runs/runs.ts';
import type { FileChange } from '../tools/tool.ts';
import { type ReviewNeeds, reviewContextOf } from './review.ts';
import { findTool, toolsOf } from './tools-of.ts';

// A person reads no more than this; the arguments have the whole.
const longestDiff = 200_000;
// Comparing two large files that have little in common takes long, and the API answers others meanwhile.
const comparingMs = 500;

/** `workFolder`: where runs without a project have a folder each. */
type Needs = ReviewNeeds & Pick<ActivityDeps, 'withFiles'> & { workFolder: string };

/** Null where it is not known: another tool, a file that is no text, a plan that does not fit any more. */
export async function plannedChange(needs: Needs, run: RunRow, call: CallRow): Promise<string | null> {
  // The files are on the machine of its executor.
  if (run.executor !== null) return null;
  const found = findTool(toolsOf(needs, run), call.tool);
  if (found?.kind !== 'built-in' || found.tool.plan === undefined) return null;
  const { name, effect, subjectKind, plan } = found.tool;
  const context = await reviewContextOf(needs, run);
  const wanted = { tool: name, effect, subject: call.subject, subjectKind };
  const mayUse = createPathCheck(context.scopes, wanted, context);
  const project = needs.place(run);
  const root = project ?? join(needs.workFolder, run.id);
  // Of its own folder the call may be the first to use it.
  if (project === null) await mkdir(root, { recursive: true, mode: 0o700 });
  try {
    // No sandbox is opened: it is the worker's that has the run.
    const planned = await needs.withFiles(root, mayUse, (files) => plan(call.input, files));
    return 'problem' in planned ? null : diffOf(planned.changes);
  } catch (error) {
    return refused(error);
  }
}

/** A file that may not be read, or a project that is gone, keeps no person from answering. */
function refused(error: unknown): null {
  if (error instanceof SandboxRefusal) return null;
  throw error;
}

function diffOf(changes: readonly FileChange[]): string | null {
  const parts: string[] = [];
  for (const { path, before, after } of changes) {
    // Other bytes than UTF-8 would all be shown as the same sign, and a change of them as none.
    const shown = [before, after].every(
      (bytes) => bytes === undefined || (isUtf8(bytes) && !bytes.includes(0)),
    );
    if (!shown) return null;
    const [old = '', now = ''] = [before, after].map((bytes) => bytes?.toString('utf8'));
    const names = [before && `a/${path}`, after && `b/${path}`].map((name) => name ?? '/dev/null');
    const [from = '', to = ''] = names;
    const options = { context: 3, timeout: comparingMs, headerOptions: FILE_HEADERS_ONLY };
    const part = createTwoFilesPatch(from, to, old, now, undefined, undefined, options);
    if (part === undefined) return null;
    parts.push(part);
  }
  const diff = parts.join('');
  return diff.length > longestDiff ? null : diff.toWellFormed();
}
