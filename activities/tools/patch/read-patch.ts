// Reads a patch in either format.
import { isBeginPatch, readBeginPatch } from './begin-patch.ts';
import { type Parsed, UnreadablePatch } from './file-patch.ts';
import { readUnified } from './unified.ts';

// Each file leaves a line of hashes with the claim, which stays small.
const maxFiles = 50;

export function readPatch(text: string): Parsed {
  try {
    const lines = bareLines(text);
    const files = isBeginPatch(lines) ? readBeginPatch(lines) : readUnified(lines);
    if (files.length > maxFiles)
      return { problem: `The patch changes more than ${maxFiles} files; split it.` };
    return { files };
  } catch (error) {
    if (error instanceof UnreadablePatch) return { problem: error.message };
    throw error;
  }
}

/** Without a fence around it, and with LF where its own headers end in CRLF: then that is how it was sent. */
function bareLines(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const headers = lines.filter((line) => /^(@@|--- |\+\+\+ |diff |\*\*\* )/.test(line));
  const isCrlf = headers.length > 0 && headers.every((line) => line.endsWith('\r'));
  const plain = isCrlf ? lines.map((line) => line.replace(/\r$/, '')) : lines;
  const first = plain.findIndex((line) => line.trim() !== '');
  const last = plain.findLastIndex((line) => line.trim() !== '');
  const isFenced = /^```\w*\s*$/.test(plain[first] ?? '') && plain[last]?.trim() === '```' && last > first;
  return isFenced ? plain.slice(first + 1, last) : plain;
}
