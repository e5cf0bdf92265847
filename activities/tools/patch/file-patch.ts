// What a patch says, whichever format it was written in.
import type { LineEnd } from '../lines.ts';

export interface HunkLine {
  sign: ' ' | '-' | '+';
  /** Latin1, as file contents are held. */
  text: string;
  /** Empty: `\ No newline at end of file` follows it. */
  end: LineEnd;
}

export interface Hunk {
  /** The line of the patch it starts at, from 1. */
  at: number;
  /** Where the header says it is, from 1, and whether its counts are right. Undefined for a bare `@@`. */
  place: { oldStart: number; newStart: number; isCounted: boolean } | undefined;
  /** Lines of the file it comes after: the text behind a bare `@@`. */
  after: string[];
  /** `*** End of File`. */
  isAtEnd: boolean;
  lines: HunkLine[];
  /** As many of its last lines are bare blank ones, which may be the file's or only the patch's. */
  blanks: number;
}

export interface FilePatch {
  /** Undefined: the file is made. */
  from: string | undefined;
  /** Undefined: the file is removed. */
  to: string | undefined;
  isCopy: boolean;
  /** Removed whatever it holds: the format names no lines. */
  isWhole: boolean;
  /** What the patch makes of its mode. Undefined: it says nothing of it. */
  isExecutable?: boolean | undefined;
  hunks: Hunk[];
}

export type Parsed = { files: FilePatch[] } | { problem: string };

/** What makes a patch unreadable, as a sentence for the model. */
export class UnreadablePatch extends Error {
  override name = 'UnreadablePatch';
}
