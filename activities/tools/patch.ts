// Applies a unified diff over one or more files, all of them or none.
import { posix } from 'node:path';
import { applyPatch, parsePatch, type StructuredPatch } from 'diff';
import { z } from 'zod';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { changeFiles, readWhole, type FileChange, type Plan } from './file-change.ts';
import { fileSeconds, maxContentBytes, textField } from './fields.ts';
import { defineTool } from './tool.ts';

// Each file leaves a line of hashes with the claim, which stays small.
const maxFiles = 50;

const input = z.strictObject({
  patch: textField(maxContentBytes).refine((patch) => patch.trim() !== '', 'must not be empty'),
});

export const patch = defineTool<z.infer<typeof input>>({
  name: 'patch',
  description:
    'Applies a unified diff (`--- a/file`, `+++ b/file`, `@@`) to files of the project; /dev/null makes or removes ' +
    'a file. Either every file is changed or none. Context lines must match exactly.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ patch }) => {
    const parsed = parse(patch);
    // It touches nothing: running it says what is wrong with it.
    if ('problem' in parsed) return 'unreadable patch';
    return [...new Set(parsed.files.flatMap(pathsOf))].join('\n');
  },
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(({ patch }, sandbox) => planPatch(patch, sandbox)),
});

async function planPatch(text: string, sandbox: Sandbox): Promise<Plan> {
  const parsed = parse(text);
  if ('problem' in parsed) return parsed;
  const changes = new Map<string, FileChange>();
  const current = async (path: string): Promise<FileChange> => {
    const known = changes.get(path);
    if (known !== undefined) return known;
    const before = await readWhole(sandbox, path);
    const change = { path, before, after: before };
    changes.set(path, change);
    return change;
  };
  for (const file of parsed.files) {
    const problem = await applyFile(file, current);
    if (problem !== undefined) return { problem: `${problem} Nothing was changed.` };
  }
  const made = [...changes.values()];
  return { changes: made, summary: `Patched ${made.map((change) => `\`${change.path}\``).join(', ')}.` };
}

async function applyFile(
  file: StructuredPatch,
  current: (path: string) => Promise<FileChange>,
): Promise<string | undefined> {
  const { from, to } = namesOf(file);
  const source = from === undefined ? undefined : await current(from);
  if (source !== undefined && source.after === undefined) return `There is no file \`${from}\`.`;
  const target = to === undefined || to === from ? source : await current(to);
  if (target !== undefined && target !== source && target.after !== undefined) {
    return `\`${to}\` exists already, the patch would make it anew.`;
  }
  const text = source?.after?.toString('utf8') ?? '';
  if (source?.after !== undefined && !Buffer.from(text).equals(source.after)) {
    return `\`${from}\` is not UTF-8 text; a patch would damage it.`;
  }
  const result = applyPatch(text, file);
  if (result === false)
    return `The patch does not fit \`${from ?? to}\`: its context differs. Read the file again.`;
  if (to === undefined && result !== '') return `The patch removes \`${from}\` but leaves lines of it.`;
  if (source !== undefined && to !== from && file.isCopy !== true) source.after = undefined;
  if (target !== undefined && to !== undefined) target.after = Buffer.from(result);
  return undefined;
}

function parse(text: string): { files: StructuredPatch[] } | { problem: string } {
  let files: StructuredPatch[];
  try {
    files = parsePatch(text);
  } catch (error) {
    return { problem: `The patch cannot be read: ${(error as Error).message.trim()}.` };
  }
  if (files.length > maxFiles) return { problem: `The patch changes more than ${maxFiles} files; split it.` };
  for (const file of files) {
    if (pathsOf(file).length === 0) {
      return { problem: 'The patch names no file; it needs `--- a/file` and `+++ b/file` before `@@`.' };
    }
    if (file.isBinary === true) return { problem: `The patch for \`${pathsOf(file)[0]}\` is binary.` };
    const isMoved =
      file.isRename === true || file.isCopy === true || file.isCreate === true || file.isDelete === true;
    if (file.hunks.length === 0 && !isMoved)
      return { problem: `The patch changes nothing in \`${pathsOf(file)[0]}\`.` };
  }
  return { files };
}

function namesOf(file: StructuredPatch): { from: string | undefined; to: string | undefined } {
  const from = file.isCreate === true ? undefined : named(file.oldFileName);
  const to = file.isDelete === true ? undefined : named(file.newFileName);
  const isPrefixed = (from ?? 'a/').startsWith('a/') && (to ?? 'b/').startsWith('b/');
  // One spelling for each file, so that a patch meets its own earlier change.
  const clean = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : posix.normalize(isPrefixed ? path.slice(2) : path);
  return { from: clean(from), to: clean(to) };
}

function named(name: string | undefined): string | undefined {
  return name === undefined || name === '' || name === '/dev/null' ? undefined : name;
}

function pathsOf(file: StructuredPatch): string[] {
  const { from, to } = namesOf(file);
  return [from, to].filter((path) => path !== undefined);
}
