// Replaces one passage of a file, which must be unmistakable.
import { z } from 'zod';
import { changeFiles, readWhole } from './file-change.ts';
import { fileSeconds, maxContentBytes, pathField, textField } from './fields.ts';
import { changeProblem, formOf, toLatin1, usualEnd } from './lines.ts';
import { defineTool, type Plan } from './tool.ts';

const input = z.strictObject({
  path: pathField,
  old: textField(maxContentBytes).refine((old) => old !== '', 'must not be empty; use write for a new file'),
  new: textField(maxContentBytes),
});

export const edit = defineTool<z.infer<typeof input>>({
  name: 'edit',
  description:
    'Replaces a passage of a file of the project. `old` must occur exactly once, white space and all; ' +
    'give enough lines around the change. The file keeps its line ends.',
  input,
  effect: 'write',
  repeat: 'once',
  subject: ({ path }) => path,
  timeoutSeconds: () => fileSeconds,
  ...changeFiles(async ({ path, old, new: replacement }, files) => {
    const before = await readWhole(files, path);
    return before === undefined
      ? { problem: `There is no file \`${path}\`; use write to make one.` }
      : planEdit(path, before, old, replacement);
  }),
});

/**
 * On bytes, so that a file in any encoding keeps the rest of itself as it was. Line ends are compared as one, since the
 * file is read with LF. The rule for what is written: a passage given with the very bytes of the file is replaced by
 * the very bytes of `new`; any other, and one within a line, takes the line ends of the lines it replaces.
 */
function planEdit(path: string, before: Buffer, oldText: string, newText: string): Plan {
  const problem = changeProblem(path, before);
  if (problem !== undefined) return { problem };
  const [old, replacement] = [toLatin1(oldText), toLatin1(newText)];
  if (old === replacement) return { problem: '`old` and `new` are the same; nothing would change.' };
  const content = before.toString('latin1');
  const places = passagesOf(content, old);
  const [place] = places;
  if (place === undefined) return { problem: notFound(path, content, old) };
  if (places.length > 1) {
    return {
      problem: `\`old\` occurs ${places.length} times in \`${path}\`; include more lines so that it occurs once.`,
    };
  }
  const { start, end } = place;
  const written = fit(content, place, old, replacement);
  if (written === content.slice(start, end)) {
    return {
      problem:
        '`old` and `new` differ in line ends only, and the file keeps its own; use write with `exact`.',
    };
  }
  const after = Buffer.from(content.slice(0, start) + written + content.slice(end), 'latin1');
  const line = content.slice(0, start).split('\n').length;
  return { changes: [{ path, before, after }], summary: `Edited \`${path}\` at line ${line}.` };
}

interface Passage {
  start: number;
  end: number;
}

/** Where the passage is, whatever its line ends. Overlapping ones count too: each would be a place to edit. */
function passagesOf(content: string, old: string): Passage[] {
  const parts = old.split(/\r?\n/);
  const passages: Passage[] = [];
  const first = parts[0] || '\n';
  for (let at = content.indexOf(first); at >= 0; at = content.indexOf(first, at + 1)) {
    // Of a passage that starts with a line end, the whole of it is replaced.
    const start = first === '\n' && content[at - 1] === '\r' ? at - 1 : at;
    const end = endOfPassage(content, start, parts);
    if (end !== undefined) passages.push({ start, end });
  }
  return passages;
}

function endOfPassage(content: string, start: number, parts: readonly string[]): number | undefined {
  let at = start;
  for (const [index, part] of parts.entries()) {
    if (index > 0) {
      if (content.startsWith('\r\n', at)) at += 2;
      else if (content[at] === '\n') at += 1;
      else return undefined;
    }
    if (!content.startsWith(part, at)) return undefined;
    at += part.length;
  }
  return at;
}

function fit(content: string, { start, end }: Passage, old: string, replacement: string): string {
  const replaced = content.slice(start, end);
  const usual = usualEnd(formOf(Buffer.from(content, 'latin1')));
  if (usual === undefined || (replaced === old && old.includes('\n'))) return replacement;
  const ends = replaced.match(/\r?\n/g) ?? [];
  const more = ends.at(-1) ?? /\r?\n/.exec(content.slice(end))?.[0] ?? usual;
  return replacement.replace(/\r?\n/g, () => ends.shift() ?? more);
}

function notFound(path: string, content: string, old: string): string {
  const start = `\`old\` does not occur in \`${path}\``;
  const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();
  return squeeze(content).includes(squeeze(old))
    ? `${start} with this white space. Read the file and copy the passage exactly.`
    : `${start}. Read the file again: it may have changed.`;
}
