// Changes to files as planned before any is made: the plan is noted with the claim as hashes, so that after a crash
// the files themselves tell whether the call took effect. Writers of one project take turns.
import { createHash } from 'node:crypto';
import type { Files, Sandbox } from '../sandbox/sandbox.ts';
import { answer, done, failed } from './answer.ts';
import { maxFileBytes } from './fields.ts';
import type { FileChange, Plan, Probe, Tool } from './tool.ts';

/** The members every tool that changes files has in common, from how it plans its change. */
export function changeFiles<Input>(
  plan: (input: Input, files: Files) => Promise<Plan>,
): Required<Pick<Tool<Input>, 'plan' | 'probe' | 'run'>> {
  return {
    plan,
    probe: (_input, intent, { sandbox }) => probeFiles(sandbox, intent),
    run: (input, { sandbox, signal, noteIntent }) =>
      answer(() =>
        inTurn(sandbox.root, async () => {
          signal.throwIfAborted();
          const planned = await plan(input, sandbox);
          if ('problem' in planned) return failed(planned.problem);
          // Planned within the turn: before it, the note would miss what the call before this one changes.
          await noteIntent(toIntent(planned.changes));
          signal.throwIfAborted();
          await apply(sandbox, planned.changes);
          return done(planned.summary);
        }),
      ),
  };
}

function toIntent(changes: FileChange[]): Record<string, string> {
  return Object.fromEntries(
    changes.map(({ path, before, after }) => [path, `${hashOf(before)} ${hashOf(after)}`]),
  );
}

export async function readWhole(files: Files, path: string): Promise<Buffer | undefined> {
  return await files.read(path, maxFileBytes);
}

async function probeFiles(sandbox: Sandbox, intent: Record<string, string>): Promise<Probe> {
  const states = new Set<Probe>();
  const looked = await answer(async () => {
    for (const [path, hashes] of Object.entries(intent)) {
      const [before, after] = hashes.split(' ');
      const now = hashOf(await readWhole(sandbox, path));
      states.add(now === after ? 'done' : now === before ? 'not_done' : 'unknown');
    }
    return done('');
  });
  if (!looked.ok) return 'unknown';
  // Nothing was to be changed.
  if (states.size === 0) return 'not_done';
  return states.size === 1 ? ([...states][0] as Probe) : 'unknown';
}

/** All or none, as long as this process lives; a crash in between leaves a mixture that the probe calls unknown. */
async function apply(sandbox: Sandbox, changes: FileChange[]): Promise<void> {
  const made: FileChange[] = [];
  try {
    for (const change of inSafeOrder(changes)) {
      made.push(change);
      await put(sandbox, change, change.after);
    }
  } catch (error) {
    for (const change of made.reverse()) await put(sandbox, change, change.before);
    throw error;
  }
}

/** What moves is there anew before it is removed, unless the old file stands where a folder of the new one will be. */
function inSafeOrder(changes: FileChange[]): FileChange[] {
  const written = changes.filter(({ after }) => after !== undefined);
  const rank = ({ path, after }: FileChange): number => {
    if (after !== undefined) return 1;
    return written.some((other) => other.path.startsWith(`${path}/`)) ? 0 : 2;
  };
  return changes.toSorted((one, other) => rank(one) - rank(other));
}

async function put(
  sandbox: Sandbox,
  { path, isExecutable }: FileChange,
  bytes: Buffer | undefined,
): Promise<void> {
  if (bytes === undefined) await sandbox.remove(path);
  else await sandbox.write(path, bytes, isExecutable);
}

function hashOf(bytes: Buffer | undefined): string {
  // Half of the digest: a chance match is out of the question, and the note stays small.
  return bytes === undefined ? 'absent' : createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

// Calls of one step run in parallel: two edits of one file must not both start from the same text.
const lastTurn = new Map<string, Promise<unknown>>();

async function inTurn<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  const turn = (lastTurn.get(root) ?? Promise.resolve()).then(work, work);
  lastTurn.set(root, turn);
  try {
    return await turn;
  } finally {
    if (lastTurn.get(root) === turn) lastTurn.delete(root);
  }
}
