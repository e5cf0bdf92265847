// The one name of a folder. Every process gets this one, so that a link, a relative name, `..` or a slash at the end
// never makes one folder two.
import { lstatSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { isPlainPath } from '../workflows/contracts/fields.ts';
import { ConfigProblem } from './config/config-problem.ts';

// SQLite, in which Temporal keeps its file, takes names of up to 512 bytes; the longest below the folder is
// `/temporal/temporal.db-journal`.
const mostBytes = 480;

function real(folder: string, source: string): string | undefined {
  try {
    return realpathSync.native(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What is not there yet has the name by which it is made; what may not be entered is told when it is used.
    if (code === 'ENOENT' && lstatSync(folder, { throwIfNoEntry: false }) === undefined) return undefined;
    if (code === 'EACCES' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    const why = code === 'ENOENT' ? 'is a link to nothing' : `cannot be followed (${code})`;
    throw new ConfigProblem(
      `${source}: ${JSON.stringify(folder)} ${why}: mend the link, or choose another folder.`,
    );
  }
}

/** As the kernel reads it, name by name: `..` behind a link is the parent of where the link leads. */
function follow(given: string, source: string): string {
  const absolute = path.isAbsolute(given) ? given : `${process.cwd()}/${given}`;
  let at = '/';
  for (const name of absolute.split('/').filter((each) => each !== '' && each !== '.')) {
    const next = name === '..' ? path.dirname(at) : path.join(at, name);
    at = real(next, source) ?? next;
  }
  return at;
}

/** The folder need not be there yet. `source` is what named it, for the sentence that refuses it. */
export function realFolder(given: string, source: string): string {
  const folder = isPlainPath(given) ? follow(given, source) : given;
  if (!isPlainPath(folder)) {
    throw new ConfigProblem(
      `${source}: ${JSON.stringify(folder)} has a line break, a control character or bytes that are not UTF-8 in its name: choose a folder without.`,
    );
  }
  const bytes = Buffer.byteLength(folder);
  if (bytes > mostBytes) {
    throw new ConfigProblem(
      `${source}: the data folder's name with all its parents is ${bytes} bytes long and may be ${mostBytes}: choose a shorter one.`,
    );
  }
  return folder;
}
