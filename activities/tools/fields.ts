// The input fields several tools share, each with its bound and the reason for it.
import { z } from 'zod';
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

// What the largest accepted call may carry; more belongs into several edits.
export const maxContentBytes = 1024 * 1024;

/** Files larger than this are neither read whole nor edited: the text would be held several times over. */
export const maxFileBytes = 8 * 1024 * 1024;

// File operations are over in milliseconds; a network disk that hangs must not hold the run.
export const fileSeconds = 60;
