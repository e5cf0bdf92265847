// A run and a person at work in one project, as rewinding sees them: looks before and after what the run does, and what
// the person does in between.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { recordTree } from '../../../activities/git/tree.ts';
import type { RecordedSpan } from '../../../activities/git/rewind.ts';

export type Edit =
  | { kind: 'write'; name: string; text: string }
  | { kind: 'remove'; name: string }
  | { kind: 'mode'; name: string; isExecutable: boolean }
  | { kind: 'link'; name: string; target: string }
  | { kind: 'folder'; name: string };

/** As a shell would do it, whatever stands in the way. */
export function edit(project: string, { kind, name, ...how }: Edit): void {
  const place = path.join(project, name);
  const stat = lstatSync(place, { throwIfNoEntry: false });
  if (kind === 'mode') {
    if (stat?.isFile()) chmodSync(place, (how as { isExecutable: boolean }).isExecutable ? 0o755 : 0o644);
    return;
  }
  if (kind === 'folder' && stat?.isDirectory()) return;
  rmSync(place, { recursive: true, force: true });
  if (kind === 'remove') return;
  for (let above = path.dirname(place); above !== project; above = path.dirname(above)) {
    const found = lstatSync(above, { throwIfNoEntry: false });
    if (found && !found.isDirectory()) rmSync(above);
  }
  mkdirSync(kind === 'folder' ? place : path.dirname(place), { recursive: true });
  if (kind === 'write') writeFileSync(place, (how as { text: string }).text);
  if (kind === 'link') symlinkSync((how as { target: string }).target, place);
}

/** Every name below a folder and what it is, but what is git's own. */
export function contentsOf(folder: string, below = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const each of readdirSync(path.join(folder, below), { withFileTypes: true })) {
    if (each.name === '.git') continue;
    const name = path.join(below, each.name);
    const place = path.join(folder, name);
    if (each.isDirectory()) {
      const inside = contentsOf(folder, name);
      // A folder with something in it is told by that.
      if (inside.size === 0) found.set(name, 'empty folder');
      for (const [one, what] of inside) found.set(one, what);
    } else if (each.isSymbolicLink()) found.set(name, `-> ${readlinkSync(place)}`);
    else {
      const isExecutable = (lstatSync(place).mode & 0o100) > 0;
      found.set(name, `${isExecutable ? 'x ' : ''}${readFileSync(place, 'utf8')}`);
    }
  }
  return found;
}

/** All files of git's own, byte for byte. */
export function gitStateOf(project: string): Record<string, string> {
  const folder = path.join(project, '.git');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names
      .filter((name) => lstatSync(path.join(folder, name)).isFile())
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(path.join(folder, name)))
          .digest('hex'),
      ]),
  );
}

export interface History {
  start: string;
  spans: RecordedSpan[];
  /** The person edits. */
  person(...edits: Edit[]): void;
  /** The run makes a call. */
  run(...edits: Edit[]): Promise<void>;
}

export async function beginHistory(project: string, gitFolder: string): Promise<History> {
  const start = await recordTree({ project, gitFolder });
  const look = () => recordTree({ project, gitFolder, since: start });
  const spans: RecordedSpan[] = [];
  return {
    start,
    spans,
    person: (...edits) => edits.forEach((each) => edit(project, each)),
    async run(...edits) {
      const before = await look();
      for (const each of edits) edit(project, each);
      spans.push({ before, after: await look(), firstSeen: [], goesOn: false });
    },
  };
}
