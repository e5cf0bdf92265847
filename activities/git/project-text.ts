// What files of a project say to agents, read as data: ordinary files alone, so that no link leads out of the project.
import { lstat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { ProjectText } from '../../workflows/contracts/message.ts';
import { foldersAbove, namedBelow } from './folders-around.ts';
import { readPlainStart } from './plain-file.ts';

// As people name them, those for any agent first. In the directory that the run works in and in those above it, as far
// as its repository goes; of those below only the names are told, for an agent that comes to work there.
const names = ['AGENTS.md', 'CLAUDE.md', 'GEMINI.md', '.github/copilot-instructions.md', '.cursorrules'];

/** What other agents take of such files too. All of it is sent with every request of the run. */
export const mostProjectBytes = 32 * 1024;

export type ProjectFiles = Pick<ProjectText, 'files' | 'leftOut'> & { text: string };

const aboutBelow = 'Folders below have their own. Read that of a folder before you work in it:';
const below = 'It is of a folder below: that it is there is told.';

/** Undefined: there is no such file. `most`: bytes, of all of them; the nearest have them first. */
export async function readProjectText(project: string, most: number): Promise<ProjectFiles | undefined> {
  const taken: { path: string; bytes: number; cut: boolean; text: string }[] = [];
  const leftOut: ProjectText['leftOut'] = [];
  let room = Math.min(most, mostProjectBytes);
  const folders = [project, ...(await foldersAbove(project))];
  const paths = folders.flatMap((folder) => names.map((name) => join(relative(project, folder), name)));
  for (const path of paths) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const read = await readPlainStart(join(project, dirname(path)), name, Math.max(1, room));
    const why = read === undefined ? await whyNot(join(project, path)) : undefined;
    if (why !== undefined) leftOut.push({ path, why });
    if (read === undefined) continue;
    const text = withoutHalf(read.bytes);
    if (read.bytes.includes(0)) leftOut.push({ path, why: 'It is no text.' });
    else if (taken.some((other) => other.text === text))
      leftOut.push({ path, why: 'It says the same as one before it.' });
    else if (room <= 0) leftOut.push({ path, why: 'There was no room beside those before it.' });
    else if (text.trim() !== '') {
      taken.push({ path, bytes: read.size, cut: read.size > read.bytes.length, text });
      room -= read.bytes.length;
    }
  }
  const named = await namedBelow(project, names);
  leftOut.push(...named.map((path) => ({ path, why: below })));
  if (taken.length === 0 && leftOut.length === 0) return undefined;
  const told = taken.map(({ path, cut, text }) => `## ${path}${cut ? ' (its beginning)' : ''}\n${text}`);
  if (named.length > 0) told.push([aboutBelow, ...named.map((path) => `- ${path}`)].join('\n'));
  return {
    files: taken.map(({ text: _text, ...file }) => file),
    leftOut,
    text: told.join('\n\n'),
  };
}

/** Undefined: nothing is there. */
async function whyNot(path: string): Promise<string | undefined> {
  try {
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) return 'It is a link.';
    return stat.isFile() ? 'It cannot be read.' : 'It is no file.';
  } catch {
    return undefined;
  }
}

/** The end of a text that was cut may be half of a character. */
function withoutHalf(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/\uFFFD+$/, '');
}
