// Which files a project ignores, as git and ripgrep read its ignore files.
import { posix } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import type { IgnoreFile } from '../sandbox/sandbox.ts';

interface Rules {
  kind: IgnoreFile['kind'];
  below: string;
  /** The directory of the project whose files these came with. */
  directory: string;
  matcher: Ignore;
}

/** What counts in a directory: grown on the way down, so each holds the rules of those above. */
export type IgnoreRules = readonly Rules[];

const weights = ['exclude', 'gitignore', 'ignore'];

/** `directory` is empty for the project itself. */
export function withFiles(rules: IgnoreRules, directory: string, files: readonly IgnoreFile[]): IgnoreRules {
  if (files.length === 0) return rules;
  const added = files.map(({ kind, below, text }) => {
    const matcher = ignore({ ignorecase: false }).add(text);
    return { kind, below, directory, matcher };
  });
  return [...rules, ...added].toSorted(
    (one, other) => weights.indexOf(one.kind) - weights.indexOf(other.kind),
  );
}

/** Asked of what stands in a directory that is looked at, so a directory that is ignored says nothing about it. */
export function isIgnored(rules: IgnoreRules, path: string, kind: 'file' | 'directory'): boolean {
  for (const { directory, below, matcher } of rules.toReversed()) {
    const inside = posix.join(below, directory === '' ? path : path.slice(directory.length + 1));
    const above = posix.dirname(inside);
    // These rules ignore the directory, and a nearer file has taken it back: they say nothing of what is in it.
    if (above !== '.' && matcher.test(`${above}/`).ignored) continue;
    const { ignored, unignored } = matcher.test(kind === 'directory' ? `${inside}/` : inside);
    if (ignored) return true;
    if (unignored) return false;
  }
  return false;
}
