// The input fields several tools share, each with its bound and the reason for it.
import { z } from 'zod';
import { readHostAndPort, writeHostAndPort } from '../../workflows/policy/host.ts';
import { isStorable } from '../../workflows/contracts/storable.ts';

function within(maxBytes: number): (value: string) => boolean {
  return (value) => Buffer.byteLength(value) <= maxBytes;
}

export function textField(maxBytes: number) {
  return z
    .string()
    .refine(isStorable, 'must be well-formed Unicode without NUL')
    .refine(within(maxBytes), `must be at most ${maxBytes.toLocaleString('en')} bytes`);
}

// PATH_MAX on Linux.
export const pathField = textField(4096).refine(
  (value) => value !== '',
  'must not be empty; the project is `.`',
);

/** A host as policy compares it, perhaps with a port. */
export const hostField = textField(300).refine((value) => hostProblem(value) === undefined, {
  error: (issue) => hostProblem(String(issue.input)) ?? 'is no host',
});

/** One spelling for each: what a person is shown, what a rule is held against and what is connected to are the same text. */
function hostProblem(value: string): string | undefined {
  const read = readHostAndPort(value);
  if (read === undefined) return 'is no host; write a name such as packages.example.org, or one with a port';
  const written = writeHostAndPort(read);
  return written === value ? undefined : `must be written as ${written}`;
}

// What the largest accepted call may carry; more belongs into several edits.
export const maxContentBytes = 1024 * 1024;

/** Files larger than this are neither read whole nor edited: the text would be held several times over. */
export const maxFileBytes = 8 * 1024 * 1024;

// File operations are over in milliseconds; a network disk that hangs must not hold the run.
export const fileSeconds = 60;
