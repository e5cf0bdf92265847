// Applies a patch over one or more files, all of them or none.
import { z } from 'zod';
import type { Files } from '../sandbox/sandbox.ts';
import { changeFiles, readWhole } from './file-change.ts';
import { fileSeconds, maxContentBytes, textField } from './fields.ts';
import { changeProblem } from './lines.ts';
import { applyHunks } from './patch/apply-hunks.ts';
import type { FilePatch } from './patch/file-patch.ts';
import { readPatch } from './patch/read-patch.ts';
import { defineTool, type FileChange, type Plan } from './tool.ts';

const input = z.strictObject({
  patch: textField(maxContentBytes).refine((patch) => patch.trim() !== '', 'must not be empty'),
});

export const patch = defineTool<z.infer<typeof input>>({
  name: 'patch',
  description:
    'Applies a unified diff (`--- a/file`, `+++ b/file`, `@@`; /dev/null makes or removes a file, `rename from` and ' +
    '`rename to` move one), or the `*** Begin Patch` format, to files of the project. Either every file is changed ' +
    'or none. Context lines must match; line numbers may be off where the context is unmistakable. Files keep their ' +
    'line ends.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ patch }) => {
    const parsed = readPatch(patch);
    // It touches nothing: running it says what is wrong with it.
    if ('problem' in parsed) return 'unreadable patch';
    return [
      ...new Set(parsed.files.flatMap(({ from, to }) => [from, to].filter((path) => path !== undefined))),
    ].join('\n');
  },
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(({ patch }, files) => planPatch(patch, files)),
});

type Current = (path: string) => Promise<FileChange>;

class Unfit extends Error {}

async function planPatch(text: string, files: Files): Promise<Plan> {
  const parsed = readPatch(text);
  if ('problem' in parsed) return parsed;
  const changes = new Map<string, FileChange>();
  const current: Current = async (path) => {
    // By where it leads: a link and its target are one file, and are changed one after the other.
    const real = await files.resolve(path);
    const known = changes.get(real);
    if (known !== undefined && known.path !== path)
      throw new Unfit(`\`${known.path}\` and \`${path}\` are one file; use one name.`);
    if (known !== undefined) return known;
    const before = await readWhole(files, path);
    const change = { path, before, after: before };
    changes.set(real, change);
    return change;
  };
  try {
    for (const file of parsed.files) await applyFile(file, current, files);
  } catch (error) {
    if (error instanceof Unfit) return { problem: `${error.message} Nothing was changed.` };
    throw error;
  }
  const made = [...changes.values()];
  return { changes: made, summary: `Patched ${made.map((change) => `\`${change.path}\``).join(', ')}.` };
}

async function applyFile(file: FilePatch, current: Current, files: Files): Promise<void> {
  const { from, to, isCopy, isWhole, hunks } = file;
  const source = from === undefined ? undefined : await current(from);
  if (source !== undefined && source.after === undefined && !isNewFile(file)) {
    throw new Unfit(`There is no file \`${from}\`.`);
  }
  const target = to === undefined || to === from ? source : await current(to);
  if (target !== undefined && target !== source && target.after !== undefined)
    throw new Unfit(`\`${to}\` exists already, the patch would make it anew.`);
  const before = source?.after ?? Buffer.alloc(0);
  const problem = hunks.length === 0 ? undefined : changeProblem(from ?? to ?? '', before);
  if (problem !== undefined) throw new Unfit(problem);
  const applied = applyHunks(before.toString('latin1'), hunks);
  if ('problem' in applied) {
    const which = hunks.length === 1 ? 'The patch' : `Hunk ${applied.hunk + 1} of the patch`;
    const at = `\`${from ?? to}\` (line ${hunks[applied.hunk]?.at} of it)`;
    throw new Unfit(`${which} for ${at} ${applied.problem}`);
  }
  const after = Buffer.from(applied.content, 'latin1');
  if (to === undefined && after.length > 0 && !isWhole)
    throw new Unfit(`The patch removes \`${from}\` but leaves lines of it.`);
  if (hunks.length > 0 && to === from && after.equals(before))
    throw new Unfit(`The patch changes nothing in \`${to}\`.`);
  if (source !== undefined && to !== from) {
    // A file keeps on its way what makes it a program.
    source.isExecutable ??= (await files.stat(await files.resolve(source.path)))?.isExecutable;
    if (!isCopy) source.after = undefined;
  }
  if (target === undefined || to === undefined) return;
  target.after = after;
  target.isExecutable = file.isExecutable ?? (target === source ? target.isExecutable : source?.isExecutable);
}

/** Of nothing but new lines from line 0 on: it is made though its header does not say so. */
function isNewFile({ from, to, hunks }: FilePatch): boolean {
  const [only] = hunks;
  const isNew = only?.place?.oldStart === 0 && only.lines.every(({ sign }) => sign === '+');
  return from === to && hunks.length === 1 && isNew;
}
