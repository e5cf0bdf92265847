// The folders of a repository that stand for other repositories, submodules say, read from its index: git is not asked,
// for what it runs is named by settings that a command may have written. One that has no repository yet is an empty folder.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';

// An index has some hundred bytes for each file.
const maxBytes = 128 * 1024 * 1024;
const link = 0o160000;
const modes = new Set([link, 0o100644, 0o100755, 0o120000, 0o040000]);
// Of an entry what lies before its hash: times, place, mode, owner and size.
const statBytes = 40;
// SHA-1 and SHA-256: the index itself does not say which.
const hashes = [20, 32];

/** `git`: the `.git` in the folder. Empty where there is no index that can be read. */
export async function gitlinksOf(folder: string, git: string): Promise<string[]> {
  const index = await readPlain(join((await namedBy(git)) ?? git, 'index'), maxBytes);
  if (index?.toString('latin1', 0, 4) !== 'DIRC') return [];
  for (const hashBytes of hashes) {
    const names = linksIn(index, hashBytes);
    if (names !== undefined) return names.filter(isPlain).map((name) => join(folder, name));
  }
  return [];
}

/** As git has it: an index that a command has written may say anything. */
function isPlain(name: string): boolean {
  return name.split('/').every((part) => !['', '.', '..', '.git'].includes(part));
}

/** A worktree or submodule has a file there, which names the folder. */
async function namedBy(git: string): Promise<string | undefined> {
  const named = /^gitdir: (.*\S)/.exec((await readPlain(git, 4096))?.toString('utf8') ?? '')?.[1];
  return named === undefined ? undefined : resolve(git, '..', named);
}

/** Undefined where its hashes are of another length. */
function linksIn(index: Buffer, hashBytes: number): string[] | undefined {
  const [version, entries] = [index.readUInt32BE(4), index.readUInt32BE(8)];
  const links: string[] = [];
  let name: Buffer = Buffer.alloc(0);
  let at = 12;
  for (let entry = 0; entry < entries; entry += 1) {
    const flagsAt = at + statBytes + hashBytes;
    if (flagsAt + 2 > index.length) return undefined;
    const mode = index.readUInt32BE(at + 24);
    const isExtended = (index.readUInt16BE(flagsAt) & 0x4000) !== 0;
    let nameAt = flagsAt + (isExtended ? 4 : 2);
    let kept = 0;
    if (version === 4) [kept, nameAt] = keptOf(index, nameAt, name.length);
    const end = index.indexOf(0, nameAt);
    if (!modes.has(mode) || kept < 0 || end < 0) return undefined;
    const rest = index.subarray(nameAt, end);
    name = version === 4 ? Buffer.concat([name.subarray(0, kept), rest]) : rest;
    if (mode === link) links.push(name.toString('utf8'));
    // Before the fourth version an entry is filled up to a multiple of eight, with at least one zero.
    at = version === 4 ? end + 1 : at + Math.ceil((end + 1 - at) / 8) * 8;
  }
  return links;
}

/** In the fourth version: how much of the name before begins this one's, and where the rest is. */
function keptOf(index: Buffer, at: number, before: number): [kept: number, restAt: number] {
  let byte = index[at] ?? 0;
  let dropped = byte & 0x7f;
  let rest = at + 1;
  for (; (byte & 0x80) !== 0; rest += 1) {
    byte = index[rest] ?? 0;
    dropped = (dropped + 1) * 128 + (byte & 0x7f);
  }
  return [before - dropped, rest];
}

async function readPlain(path: string, most: number): Promise<Buffer | undefined> {
  // Not through a link, and without waiting for a pipe.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  try {
    const stat = await file?.stat();
    return stat?.isFile() && stat.size <= most ? await file?.readFile() : undefined;
  } finally {
    await file?.close();
  }
}
