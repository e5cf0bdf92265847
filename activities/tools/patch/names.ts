// Which files a section of a patch is about. The header is read by `diff`, which knows git's quoting and its extended
// headers.
import { posix } from 'node:path';
import { parsePatch, type StructuredPatch } from 'diff';
import { type FilePatch, UnreadablePatch } from './file-patch.ts';

const markers = /^[a-z]\/(?<rest>.+)$/s;
const permissions = /^100/;

export function namesIn(header: readonly string[]): Omit<FilePatch, 'hunks' | 'isWhole'> {
  const file = readHeader(header);
  const old = file.isCreate === true ? undefined : named(file.oldFileName);
  const now = file.isDelete === true ? undefined : named(file.newFileName);
  const { from, to } = withoutMarkers(old, now);
  const path = to ?? from;
  if (path === undefined) throw new UnreadablePatch(namesNothing);
  if (file.isBinary === true) throw new UnreadablePatch(`The patch for \`${path}\` is binary.`);
  for (const mode of [file.oldMode, file.newMode]) {
    // A link's text is its target: written as a file it would be something else.
    if (mode !== undefined && !permissions.test(mode))
      throw new UnreadablePatch(`\`${path}\` is a link or a submodule in the patch; use a command for it.`);
  }
  const isMove = file.isRename === true || file.isCopy === true;
  if (from !== undefined && to !== undefined && from !== to && !isMove) {
    throw new UnreadablePatch(
      `The patch names \`${from}\` and \`${to}\` for one file; name it twice alike, or move it with \`rename from\` and \`rename to\`.`,
    );
  }
  const isExecutable = file.newMode === undefined ? undefined : /[1357]$/.test(file.newMode);
  return { from, to, isCopy: file.isCopy === true, isExecutable };
}

export const namesNothing = 'The patch names no file; it needs `--- a/file` and `+++ b/file` before `@@`.';

/** One spelling for each file, so that a patch meets its own earlier change. */
export function cleanName(name: string): string {
  return posix.normalize(name);
}

function readHeader(header: readonly string[]): StructuredPatch {
  try {
    const [file] = parsePatch(header.join('\n'));
    if (file !== undefined) return file;
  } catch (error) {
    throw new UnreadablePatch(`The patch cannot be read: ${(error as Error).message.trim()}.`);
  }
  throw new UnreadablePatch(namesNothing);
}

function named(name: string | undefined): string | undefined {
  return name === undefined || name === '' || name === '/dev/null' ? undefined : name;
}

/**
 * The one rule for `a/` and `b/`: `a/` before the old and `b/` before the new name are git's, and so are two other
 * single letters before the same name, or either of them before one of two names that are else the same. Two names that
 * are the same as they stand are that name. A file that is made or removed has one name, and one marker.
 */
function withoutMarkers(
  old: string | undefined,
  now: string | undefined,
): { from: string | undefined; to: string | undefined } {
  const clean = (from: string | undefined, to: string | undefined) => ({
    from: from && cleanName(from),
    to: to && cleanName(to),
  });
  if (old === undefined) return clean(undefined, now?.replace(/^b\//, ''));
  if (now === undefined) return clean(old.replace(/^a\//, ''), undefined);
  if (old === now) return clean(old, now);
  const [oldRest, nowRest] = [old, now].map((name) => markers.exec(name)?.groups?.['rest'] ?? name);
  const isGits = old.startsWith('a/') && now.startsWith('b/');
  return isGits || oldRest === nowRest ? clean(oldRest, nowRest) : clean(old, now);
}
