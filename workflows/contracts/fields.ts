// The field shapes that several contracts share, each with its bound and the reason for it.
import { z } from 'zod';
import { isStorable, longestText } from './storable.ts';

export const id = z.uuid({ version: 'v7', error: 'must be a UUID (version 7)' });
export const when = z.iso.datetime();

const storableProblem = 'must be well-formed Unicode without NUL';

export const text = z
  .string()
  .max(longestText)
  .regex(/\S/, 'must not be empty')
  .refine(isStorable, storableProblem);

/** A text that may say nothing, such as the output of a tool. */
export const anyText = z.string().max(longestText).refine(isStorable, storableProblem);

/** The same with a bound of its own. */
export function anyShortText(most: number) {
  return z.string().max(most).refine(isStorable, storableProblem);
}

/** A short text, such as a pattern or a reason; each use says how short. */
export function shortText(most: number) {
  return z.string().min(1).max(most).refine(isStorable, storableProblem);
}

/** What people call something: there is a sign in it that can be seen. */
export function nameText(most: number) {
  return z
    .string()
    .max(most)
    .regex(/[^\s\p{Cc}\p{Cf}]/u, 'must not be empty')
    .refine(isStorable, storableProblem);
}

/** Whom runs count for. */
export const ownerKey = shortText(200).regex(
  /^[\w.@:+-]+(\/[\w.@:+-]+)*$/,
  'must be letters, digits, _ . @ : + - and /',
);

export const pathProblem =
  'A project directory must have no line break or control character in its path; rename it.';

// Line breaks and control characters would break what shows it. U+FFFD stands for bytes that are no UTF-8: another path.
export const plainPath = /^[^\p{Cc}\u2028\u2029\uFFFD]*$/u;

export function isPlainPath(path: string): boolean {
  return plainPath.test(path);
}

// PATH_MAX on Linux.
export const projectPath = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\//, 'must be an absolute path on the machine of the worker')
  .refine(isStorable, storableProblem)
  .regex(plainPath, 'must have no line break or control character; rename the directory');

// Integers stay exact in JSON and JavaScript up to 2^53.
export const money = z.int().max(Number.MAX_SAFE_INTEGER);
export const tokens = z.int().max(Number.MAX_SAFE_INTEGER);

/** Yes or no in a query. */
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** Cursor paging: `limit` items (50 unless said otherwise), `cursor` is the `nextCursor` of the page before. */
export const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).optional(),
  cursor: z.string().min(1).max(200).optional(),
});
