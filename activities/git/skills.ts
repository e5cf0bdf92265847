// Skills: folders with a SKILL.md that says how to do something, of the instance or of a project. Read as data: ordinary
// files alone, so that no link leads out of the project.
import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { isGone, readPlainFile } from './plain-file.ts';

export interface Skill {
  name: string;
  /** When it fits, in a line. */
  description: string;
}

export interface Skills {
  /** By name. `project`: where the run works. */
  list(project: string | null): Promise<Skill[]>;
  /** The text of one; undefined where there is none of that name. */
  load(project: string | null, name: string): Promise<string | undefined>;
}

// Where people put them for this and for other agents.
const folders = ['.perdure/skills', '.agents/skills', '.claude/skills'];
const file = 'SKILL.md';
// Loaded, it stays in the conversation: what is longer belongs into files that it names.
const mostBytes = 32 * 1024;
// More are not looked at: each is read with each step.
const mostSkills = 50;
const longestDescription = 200;
const nameForm = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** `own`: the folder of the instance. Its skills come first: a project cannot put its own in their place. */
export function createSkills(own: string): Skills {
  async function placesOf(project: string | null): Promise<string[]> {
    const places = await Promise.all([
      realFolder(own),
      ...(project === null ? [] : folders.map((folder) => folderIn(project, folder))),
    ]);
    return places.filter((place) => place !== undefined);
  }

  return {
    async list(project) {
      const found = new Map<string, Skill>();
      for (const place of await placesOf(project)) {
        for (const name of await namesIn(place)) {
          if (found.has(name) || found.size >= mostSkills) continue;
          const text = await textOf(place, name);
          if (text !== undefined) found.set(name, { name, description: descriptionOf(text) });
        }
      }
      return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    },
    async load(project, name) {
      if (!nameForm.test(name)) return undefined;
      for (const place of await placesOf(project)) {
        const text = await textOf(place, name);
        if (text !== undefined) return text;
      }
      return undefined;
    },
  };
}

async function realFolder(folder: string): Promise<string | undefined> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
    throw error;
  }
}

/** Undefined where a link stands in the way. */
async function folderIn(project: string, folder: string): Promise<string | undefined> {
  const [root, real] = await Promise.all([realFolder(project), realFolder(join(project, folder))]);
  return root !== undefined && real === join(root, folder) ? real : undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && nameForm.test(entry.name))
      .map(({ name }) => name)
      .sort()
      .slice(0, mostSkills);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

async function textOf(folder: string, name: string): Promise<string | undefined> {
  const bytes = await readPlainFile(join(folder, name), file, mostBytes);
  return bytes === undefined || bytes.includes(0) ? undefined : bytes.toString('utf8');
}

/** What its head says; else its first line of text. */
function descriptionOf(text: string): string {
  const [, head = '', rest = text] = /^---\r?\n([^]*?)\r?\n---\r?\n?([^]*)$/.exec(text) ?? [];
  const said = parseDocument(head).get('description');
  const first = rest.split('\n').find((line) => line.replace(/^#+/, '').trim() !== '') ?? '';
  const line = (typeof said === 'string' ? said : first.replace(/^#+/, '')).replace(/\s+/g, ' ').trim();
  return line.length <= longestDescription
    ? line
    : `${line.slice(0, longestDescription - 1)}…`.toWellFormed();
}
