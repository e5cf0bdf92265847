// Replaces one passage of a file, which must be unmistakable.
import { z } from 'zod';
import { changeFiles, readWhole, type Plan } from './file-change.ts';
import { fileSeconds, maxContentBytes, pathField, textField } from './fields.ts';
import { defineTool } from './tool.ts';

const input = z.strictObject({
  path: pathField,
  old: textField(maxContentBytes).refine((old) => old !== '', 'must not be empty; use write for a new file'),
  new: textField(maxContentBytes),
});

export const edit = defineTool<z.infer<typeof input>>({
  name: 'edit',
  description:
    'Replaces a passage of a file of the project. `old` must occur exactly once, white space and all; ' +
    'give enough lines around the change.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ path }) => path,
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(async ({ path, old, new: replacement }, sandbox) => {
    const before = await readWhole(sandbox, path);
    return before === undefined
      ? { problem: `There is no file \`${path}\`; use write to make one.` }
      : planEdit(path, before, Buffer.from(old), Buffer.from(replacement));
  }),
});

/** On bytes, so that a file in any encoding keeps the rest of itself as it was. */
function planEdit(path: string, before: Buffer, old: Buffer, replacement: Buffer): Plan {
  if (old.equals(replacement)) return { problem: '`old` and `new` are the same; nothing would change.' };
  const count = countOf(before, old);
  if (count === 0) return { problem: notFound(path, before, old) };
  if (count > 1) {
    return {
      problem: `\`old\` occurs ${count} times in \`${path}\`; include more lines so that it occurs once.`,
    };
  }
  const at = before.indexOf(old);
  const after = Buffer.concat([before.subarray(0, at), replacement, before.subarray(at + old.length)]);
  return { changes: [{ path, before, after }], summary: `Edited \`${path}\` at line ${lineOf(before, at)}.` };
}

function countOf(bytes: Buffer, wanted: Buffer): number {
  let count = 0;
  // Overlapping ones count too: each would be a place to edit.
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) count += 1;
  return count;
}

function notFound(path: string, before: Buffer, old: Buffer): string {
  const start = `\`old\` does not occur in \`${path}\``;
  if (before.includes('\r\n') && old.includes('\n') && !old.includes('\r\n')) {
    return `${start} as it stands: the file ends its lines with \\r\\n. Edit within one line, or write the file.`;
  }
  const squeeze = (text: Buffer): string => text.toString('utf8').replace(/\s+/g, ' ').trim();
  return squeeze(before).includes(squeeze(old))
    ? `${start} with this white space. Read the file and copy the passage exactly.`
    : `${start}. Read the file again: it may have changed.`;
}

function lineOf(bytes: Buffer, at: number): number {
  return bytes.subarray(0, at).toString('latin1').split('\n').length;
}
