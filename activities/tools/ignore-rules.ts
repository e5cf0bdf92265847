// Which files a project ignores, as git and ripgrep read its ignore files.
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

export function isIgnored(rules: IgnoreRules, path: string, kind: 'file' | 'directory'): boolean {
  for (const { directory, below, matcher } of rules.toReversed()) {
    const inside = directory === '' ? path : path.slice(directory.length + 1);
    const { ignored, unignored } = matcher.test(
      `${below === '' ? '' : `${below}/`}${inside}${kind === 'directory' ? '/' : ''}`,
    );
    if (ignored) return true;
    if (unignored) return false;
  }
  return false;
}
